"""Teams share no prefix cache, and a thread keeps its replica."""

from worker.remote_engine.tenants import TenantKeys


def test_salts_differ_by_team_and_end_with_forget() -> None:
    """Threads of a team share a salt. Forgetting a thread gives its team a new one."""
    tenants = TenantKeys("secret")
    salt = tenants.read_salt("T1/C1/1.0")

    assert tenants.read_salt("T1/C2/2.0") == salt
    assert tenants.read_salt("T2/C1/1.0") != salt
    assert TenantKeys("secret").read_salt("T1/C1/1.0") != salt
    tenants.forget_scope("T1/C1/1.0")
    assert tenants.read_salt("T1/C2/2.0") != salt
    others = tenants.read_salt("T2/C1/1.0")
    tenants.forget_scope("")
    assert tenants.read_salt("T2/C1/1.0") != others
    assert tenants.read_salt("T1/C2/2.0") != salt


def test_sessions_are_equal_in_all_workers_and_hide_the_thread() -> None:
    """A server learns no Slack id."""
    session = TenantKeys("secret").name_session("T1/C1/1.0")

    assert session == TenantKeys("secret").name_session("T1/C1/1.0")
    assert session != TenantKeys("secret").name_session("T1/C1/2.0")
    assert session != TenantKeys("other").name_session("T1/C1/1.0")
    assert "T1" not in session
