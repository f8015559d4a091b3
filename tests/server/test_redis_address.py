"""URLs of a Redis: what they mean, what is wrong with them, and that nothing shows a password."""

from __future__ import annotations

import pytest

from novel_jupyter.server.redis_address import RedisAddress, parse
from novel_jupyter.server.redis_wire import Address


def test_one_server() -> None:
    assert parse("redis://localhost") == RedisAddress("one", (Address("localhost", 6379),))
    found = parse("redis://ann:p%40ss%2F@10.0.0.1:7000/3")
    assert (found.nodes, found.db) == ((Address("10.0.0.1", 7000),), 3)
    assert (found.username, found.password, found.tls) == ("ann", "p@ss/", False)
    assert parse("redis://:secret@h").username is None
    assert parse("redis://[::1]:7000").nodes == (Address("::1", 7000),)
    assert parse("unix://:pw@/run/redis.sock?db=2") == RedisAddress(
        "one", (Address("/run/redis.sock", 0),), db=2, password="pw"
    )


def test_several() -> None:
    cluster = parse("rediss+cluster://a:1,b:2,c")
    assert (cluster.kind, cluster.tls) == ("cluster", True)
    assert cluster.nodes == (Address("a", 1), Address("b", 2), Address("c", 6379))
    sentinels = parse("redis+sentinel://u:p@a,b:2/story/1?sentinel_password=x")
    assert sentinels.nodes == (Address("a", 26379), Address("b", 2))
    assert (sentinels.service, sentinels.db, sentinels.sentinel_password) == ("story", 1, "x")


def test_tls() -> None:
    found = parse("rediss://h?ssl_ca_certs=/a%20b.pem&ssl_cert_reqs=none")
    assert found.tls_options == {
        "ssl_ca_certs": "/a b.pem",
        "ssl_cert_reqs": "none",
        "ssl_check_hostname": False,
    }


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("http://u:hunter2@h", "begins with redis://"),
        ("redis://u:hunter2@", "no host:port"),
        ("redis://u:hunter2@h:x", "no host:port"),
        ("redis://u:hunter2@h:70000", "no host:port"),
        ("redis://u:hunter2@a,b", "redis+cluster://"),
        ("redis://u:hunter2@h/zero", "number of a database"),
        ("redis://u:hunter2@h/0/1", "at most the number"),
        ("redis://u:hunter2@h?ssl_ca_certs=x", "nobody knows the option 'ssl_ca_certs'"),
        ("rediss://u:hunter2@h?ssl_cert_reqs=maybe", "ssl_cert_reqs is"),
        ("redis+cluster://u:hunter2@h/1", "no numbered databases"),
        ("redis+sentinel://u:hunter2@h", "name of the service"),
        ("redis://hunter2@h", "user:password or :password"),
        ("redis://u:hunter2/more@h", "written %2F"),
        ("redis://u:1/hunter2@h", "written %2F"),
        ("redis://u:hunter2?x@h", "%3F"),
        ("redis://u:hunter2#x@h", "%23"),
        ("redis://u:hunter2]@[h", "this is no URL"),
        ("unix://u:hunter2@host/path", "unix:///"),
    ],
)
def test_what_is_wrong_is_said_without_the_password(url: str, complaint: str) -> None:
    with pytest.raises(ValueError) as wrong:
        parse(url)
    assert complaint in str(wrong.value)
    assert "hunter2" not in str(wrong.value)
    assert wrong.value.__cause__ is None


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://u:hunter2@h/3", "redis://u:***@h:6379/3"),
        ("rediss+cluster://:hunter2@a,[::1]:7", "rediss+cluster://:***@a:6379,[::1]:7"),
        ("redis+sentinel://a/s?sentinel_password=hunter2", "redis+sentinel://a:26379/s"),
        ("unix://:hunter2@/run/r.sock", "unix://:***@/run/r.sock"),
    ],
)
def test_an_address_shows_no_password(url: str, shown: str) -> None:
    address = parse(url)
    assert address.redacted == shown
    assert repr(address) == f"<RedisAddress {shown}>"
    assert "hunter2" not in str(address)
