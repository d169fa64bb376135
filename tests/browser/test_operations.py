"""What operations see, and that nobody else does."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import BRITISH, SignIn, SitDown
from tests.live_server import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.system]


def test_table_of_sessions_is_live(sign_in: SignIn, sit_down: SitDown) -> None:
    ops = sign_in("ops", "/ops")
    rows = ops.locator("tbody tr")
    expect(rows).to_have_count(1)
    south = sit_down("south-1")
    row = rows.filter(has_text="south-1")
    expect(row).to_contain_text("남측")
    expect(row).to_contain_text("web/0.1.0")
    expect(row).to_contain_text("이 컴퓨터")
    south.page.close()
    expect(row).to_have_count(0)


def test_filter_narrows_the_table(sign_in: SignIn, sit_down: SitDown) -> None:
    sit_down("south-1")
    sit_down("north-1")
    ops = sign_in("ops", "/ops")
    expect(ops.locator("tbody tr")).to_have_count(3)
    ops.get_by_role("searchbox").fill("북측")
    expect(ops.locator("tbody tr")).to_have_count(1)
    expect(ops.locator("tbody tr")).to_contain_text("north-1")
    ops.get_by_role("searchbox").fill("아무도 아님")
    expect(ops.locator("tbody tr")).to_have_count(0)
    expect(ops.locator(".table-frame .empty")).to_be_visible()


def test_cause_of_a_change_of_presence_is_told(sign_in: SignIn, sit_down: SitDown) -> None:
    ops = sign_in("ops", "/ops", **BRITISH)
    north = sit_down("north-2")
    changes = ops.locator(".changes li", has_text="North 2")
    expect(changes.filter(has_text="came online")).to_contain_text("connected")
    north.page.close()
    expect(changes.filter(has_text="became uncertain")).to_contain_text("closed")
    expect(changes.filter(has_text="went offline")).to_be_visible(timeout=20_000)


def test_officials_are_told_that_the_page_is_not_theirs(sign_in: SignIn) -> None:
    page = sign_in("south-head", "/ops", **BRITISH)
    expect(page.get_by_role("heading")).to_have_text("This page is for operations")
    expect(page.locator("table")).to_have_count(0)
    page.get_by_role("link", name="Go to the chat").click()
    expect(page.locator(".channels")).to_be_visible()


def test_operations_read_no_messages(sign_in: SignIn) -> None:
    page = sign_in("ops", **BRITISH)
    expect(page.get_by_role("heading")).to_have_text("This account has no channels")
    expect(page.locator(".message")).to_have_count(0)


def test_nothing_is_claimed_to_be_known_while_the_server_is_away(sign_in: SignIn, server: LiveServer) -> None:
    ops = sign_in("ops", "/ops")
    expect(ops.locator("tbody tr")).to_have_count(1)
    server.kill()
    try:
        expect(ops.locator(".tile dd").first).to_have_text("확인 불가")
        expect(ops.locator(".count")).to_have_text("확인 불가")
        expect(ops.locator("tbody tr")).to_have_count(0)
    finally:
        server.start()
    expect(ops.locator("tbody tr")).to_have_count(1, timeout=30_000)
