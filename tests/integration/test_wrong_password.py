"""What a driver looks at when its password is wrong (T73)."""
import asyncio

import asyncpg
import psycopg
import pytest
from servers import ROLES
from wire import PgError

pytestmark = pytest.mark.ours
TEXTS = {"plain": "password authentication failed", "md5": "password authentication failed", "scram-sha-256": "SASL authentication failed"}


@pytest.mark.parametrize("method", list(TEXTS))
def test_T73_a_wrong_password_is_28P01_with_pgbouncers_text(pooler, method):
    """JDBC, pgx and node-pg look at the SQLSTATE; so do psycopg and asyncpg, which are here."""
    p = pooler(auth_type=method)
    with pytest.raises(PgError) as refused:
        p.wire(password="wrong")
    assert (refused.value.fields["S"], refused.value.fields["C"], refused.value.fields["M"]) == ("FATAL", "28P01", TEXTS[method])
    with pytest.raises(psycopg.OperationalError, match=TEXTS[method]):
        p.connect(password="wrong")
    with pytest.raises(asyncpg.InvalidPasswordError):
        asyncio.run(asyncpg.connect(host="127.0.0.1", port=p.port, user="bouncer", password="wrong", database="p0"))
    p.connect(password=ROLES["bouncer"][0]).close()
