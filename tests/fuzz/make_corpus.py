#!/usr/bin/env python3
"""Writes the seed inputs of the protocol's fuzz targets below corpus/. Usage: make_corpus.py"""
import pathlib
import struct

HERE = pathlib.Path(__file__).parent / 'corpus'


def seed(target, name, data):
    folder = HERE / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def packet(code, payload=b''):
    return struct.pack('!II', 8 + len(payload), code) + payload


def texts(*values):
    return b''.join(v.encode() + b'\0' for v in values)


def startup():
    login = texts('user', 'anna', 'database', 'shop')
    seed('startup', 'plain', packet(196608, login + b'\0'))
    seed('startup', 'options', packet(196608, login + texts('options', '-c a=b --c-d=e\\ f') + b'\0'))
    seed('startup', 'extensions', packet(196610, login + texts('_pq_.x', '1', '_pq_.y', '') + b'\0'))
    seed('startup', 'no_terminator', packet(196608, login))
    seed('startup', 'ssl', packet(80877103))
    seed('startup', 'gss', packet(80877104))
    seed('startup', 'cancel', packet(80877102, b'\0\0\0\x07abcd'))
    seed('startup', 'cancel_long', packet(80877102, b'\0\0\0\x07' + b'k' * 256))
    seed('startup', 'version_2', packet(131072, b'x' * 20))
    seed('startup', 'option_words', b'-c a=b\\ c --d=e -cf=g')


def views():
    def client(name, body):
        seed('views', 'client_' + name, b'\0' + body)

    def server(name, body):
        seed('views', 'server_' + name, b'\1' + body)

    client('query', texts('select 1'))
    client('parse', texts('s1', 'select $1') + b'\0\x02\0\0\0\x17\0\0\0\x19')
    client('bind', texts('p', 's1') + b'\0\0\0\x01\0\0\0\x02ab\0\0')
    client('describe', b'S' + texts('s1'))
    client('execute', texts('p') + b'\0\0\0\x32')
    client('sasl_initial', texts('SCRAM-SHA-256') + b'\0\0\0\x09n,,n=,r=x')
    client('cve_2026_6664', texts('SCRAM-SHA-256') + b'\x7f\xff\xff\xffn,,n=,r=x')
    server('ready', b'I')
    server('parameter', texts('TimeZone', 'UTC'))
    server('error', texts('SFATAL', 'VFATAL', 'C57P03', 'Mstarting up') + b'\0')
    server('cve_2026_6666', texts('SFATAL', 'Mgo away') + b'\0')
    server('no_fields', b'\0')
    server('command', texts('SELECT 1'))
    server('auth_md5', b'\0\0\0\x05salt')
    server('auth_sasl', b'\0\0\0\x0a' + texts('SCRAM-SHA-256', ''))
    server('auth_final', b'\0\0\0\x0cv=abc')
    server('key', b'\0\0\0\x07abcd')
    server('negotiate', b'\0\x03\0\0\0\0\0\x02' + texts('_pq_.foo', '_pq_.bar'))


def scram():
    nonce = 'rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0'
    final = f'c=biws,r={nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ='
    challenge = f'r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096'
    signature = 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4='
    for name, text in {
            'rfc_7677': f'n,,n=user,r=rOprNGfwEbeRWgbNEkqO\n{final}',
            'y': f'y,,n=,r=x\nc=eSws,r=x%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=AAAA',
            'bound': 'p=tls-unique,,n=,r=x',
            'authzid': 'n,a=someone,n=,r=x,e=ext',
            'secret': 'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$'
                      'WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY='
                      ':wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=',
    }.items():
        seed('scram_server', name, text.encode())
    for name, text in {
            'rfc_7677': f'{challenge}\n{signature}',
            'error': f'{challenge}\ne=invalid-proof',
            'cve_2026_6665': f'r=rOprNGfwEbeRWgbNEkqO{"x" * 1100},s=c2FsdA==,i=4096',
            'iterations': f'r={nonce},s=c2FsdA==,i=2147483647',
            'password': 'u\u0308\u00aa\u2168\u00ad\u1112\u1161\u11ab\ufdfa',
            'password_arabic': '\u0627\u0031\u0628',
    }.items():
        seed('scram_client', name, text.encode())


startup()
views()
scram()
