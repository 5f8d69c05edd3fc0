"""Django with connections that stay open (CONN_MAX_AGE), its time zone per alias, iterators that are server-side cursors
WITH HOLD, and a migration while the others work."""
import datetime
import os
import sys

import django
from common import CONNECTIONS, DATABASE, DEFAULT_PATH, HOST, PORT, USER, again, check, run
from django.conf import settings

ZONES = ["Asia/Tokyo", "America/New_York", "UTC"]


def database(number):
    options = {"options": f"-c search_path=tenant_{number},public"} if number % 4 == 1 else {}
    return {"ENGINE": "django.db.backends.postgresql", "HOST": HOST, "PORT": PORT, "USER": USER, "PASSWORD": "zzzz", "NAME": DATABASE,
            "CONN_MAX_AGE": None, "TIME_ZONE": ZONES[number % 3], "OPTIONS": options}


os.chdir(os.path.dirname(os.path.abspath(__file__)))
settings.configure(INSTALLED_APPS=["shop"], USE_TZ=True, DEFAULT_AUTO_FIELD="django.db.models.AutoField", SECRET_KEY="none",
                   DATABASES={"default": database(2), **{f"c{number}": database(number) for number in range(CONNECTIONS)}})
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import close_old_connections, connections, reset_queries, transaction  # noqa: E402
from shop.models import Order  # noqa: E402

AT = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.timezone.utc)


def setting(alias, name):
    with connections[alias].cursor() as cursor:
        cursor.execute("select current_setting(%s, true)", [name])
        return cursor.fetchone()[0]


def one(number, turn):
    alias = f"c{number}"
    close_old_connections()  # as at the start of a request
    reset_queries()
    check(setting(alias, "timezone"), ZONES[number % 3], f"the zone of {alias}")
    check(setting(alias, "search_path"), f"tenant_{number},public" if number % 4 == 1 else DEFAULT_PATH, f"the path of {alias}")
    with connections[alias].cursor() as cursor:
        cursor.execute("select to_char(%s, 'HH24')", [AT])
        check(cursor.fetchone()[0], ["21", "07", "12"][number % 3], f"noon for {alias}")
    everything = Order.objects.using(alias).order_by("id")
    seen = [order.id for order in everything.iterator(chunk_size=20)]
    check(len(seen) >= 90 and seen == sorted(seen), True, f"the iterator of {alias}")
    with transaction.atomic(using=alias):
        made = Order.objects.using(alias).create(what=alias, at=AT)
        check(len(list(everything.iterator(chunk_size=50))) >= 91, True, f"the iterator of {alias} in a transaction")
        with transaction.atomic(using=alias):
            made.delete(using=alias)
    check(setting(alias, "lock_timeout"), "0", f"what {alias} sees of the migration")
    if number == 0 and turn % 8 == 4:
        call_command("migrate", "shop", database=alias, fake=False, verbosity=0)


def forget(number):
    connections[f"c{number}"].close()


# The migration is not atomic: what a killed server left of it is cleared away, as somebody at the keyboard would.
def set_up(*_):
    with connections["default"].cursor() as cursor:
        cursor.execute("drop table if exists shop_order, django_migrations")
    call_command("migrate", "shop", verbosity=0)
    Order.objects.bulk_create([Order(what=f"order {i}", at=AT) for i in range(90)])


def with_default(attempt):
    again("default", 1, attempt, lambda _: connections["default"].close())


def take_down(*_):
    if "shop_order" in connections["default"].introspection.table_names():
        call_command("migrate", "shop", "zero", verbosity=0)


with_default(set_up)
run(one, forget)
with_default(take_down)
