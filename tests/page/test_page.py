"""What a person sees in a real browser is what the daemon says."""

from __future__ import annotations

import dataclasses
import json

import httpx

from benchmarks.screenshots.chromium import Browser
from mows.mount_spec import MountSpec
from mows.recent_failures import Failure
from tests.page.conftest import Site, aside
from tests.unit.mows.peer_values import STATISTICS
from tests.unit.mows.twins import SOURCE

SHOWN = "document.body?.dataset.at"
HOSTILE = "<img src=x onerror=alert(1)>"
ROW = "#mounts .row"


async def _warming(site: Site, mount_id: str = "qwen3") -> None:
    """A mount whose first file is cached, and whose second is on its way for as long as the test wants."""
    infos = site.node.put_model()
    site.node.cache.gate.clear()
    await site.node.mounts.put(mount_id, MountSpec(SOURCE, str(site.node.root / "m"), warm=True))
    await site.node.cache.started.get()
    site.node.cache.resident.add(site.node.cache.blob_id(infos["a.safetensors"]))


async def _look(browser: Browser, site: Site) -> None:
    def look() -> None:
        browser.open(site.url)
        browser.wait_for(SHOWN)

    await aside(look)


async def _api(site: Site, path: str) -> dict[str, object]:
    async with httpx.AsyncClient(base_url=site.url) as http:
        found: dict[str, object] = (await http.get(path)).raise_for_status().json()
        return found


async def test_a_running_load_is_shown_as_the_api_tells_it(site: Site, browser: Browser) -> None:
    await _warming(site)
    await _look(browser, site)
    told = await _api(site, "/v1/mounts/qwen3")
    assert told["percent"] == 33.33
    shown = await aside(lambda: browser.text(ROW))
    assert "33.3 %" in shown
    assert told["state"] == "warming"
    assert "warming" in shown
    assert "9.8 KiB of 29.3 KiB cached" in shown
    bar = f"document.querySelector('{ROW} [role=progressbar]').getAttribute('aria-valuenow')"
    assert await aside(lambda: browser.evaluate(bar)) == "33.3"


async def test_it_follows_without_being_loaded_again(site: Site, browser: Browser) -> None:
    await _warming(site)
    await _look(browser, site)
    site.node.cache.gate.set()
    await aside(lambda: browser.wait_for(f"document.querySelector('{ROW}').innerText.includes('100.0 %')"))
    await aside(lambda: browser.wait_for(f"document.querySelector('{ROW} .badge').innerText === 'warm'"))
    assert (await _api(site, "/v1/mounts/qwen3"))["percent"] == 100.0
    await site.node.mounts.delete("qwen3")
    await aside(lambda: browser.wait_for("document.querySelector('#mounts').innerText.includes('Nothing is mounted')"))


async def test_tiers_peers_prewarms_and_errors(site: Site, browser: Browser) -> None:
    site.node.peers.statistics = STATISTICS
    site.node.put_model()
    job = site.node.prewarms.start(site.node.prewarms.spec([SOURCE]))
    await job.admitted(30.0)
    site.failures.append(Failure(1.0, "WARNING", "warm failed: 403", "origin_denied", "check the keys", "m", 3))
    await _look(browser, site)
    assert "/tier" in await aside(lambda: browser.text("#tiers"))
    assert SOURCE in await aside(lambda: browser.text("#prewarms"))
    errors = await aside(lambda: browser.text("#failures"))
    assert all(text in errors for text in ("warm failed: 403", "origin_denied", "check the keys", "3 times", "mount m"))
    picture = await aside(lambda: browser.evaluate("document.querySelector('#picture').textContent"))
    assert all(peer.identity.node_id in picture for peer in STATISTICS.peers if peer.state != "gone")


async def test_the_picture_shows_who_feeds_whom_now(site: Site, browser: Browser) -> None:
    site.node.peers.statistics = STATISTICS
    await _look(browser, site)
    peer = STATISTICS.peers[0]
    arrow = "document.querySelector('#picture .flow.in[visibility=visible]')"
    assert await aside(lambda: browser.evaluate(f"{arrow} === null")), "nothing moved yet"
    more = dataclasses.replace(peer, received_bytes=peer.received_bytes + (64 << 20))
    site.node.peers.statistics = dataclasses.replace(STATISTICS, peers=(more, *STATISTICS.peers[1:]))
    await aside(lambda: browser.wait_for(arrow))
    label = await aside(lambda: browser.evaluate("document.querySelector('#picture').getAttribute('aria-label')"))
    assert f"{peer.identity.node_id} gives" in label


async def test_names_from_the_network_are_text(site: Site, browser: Browser) -> None:
    site.failures.append(Failure(1.0, "ERROR", HOSTILE, HOSTILE, HOSTILE, HOSTILE))
    strange = dataclasses.replace(STATISTICS.peers[0].identity, node_id=HOSTILE[:12])
    peers = (dataclasses.replace(STATISTICS.peers[0], identity=strange),)
    site.node.peers.statistics = dataclasses.replace(STATISTICS, peers=peers)
    await _look(browser, site)
    assert HOSTILE in await aside(lambda: browser.text("#failures"))
    assert await aside(lambda: browser.evaluate("document.querySelectorAll('img').length")) == 0


async def test_it_says_when_it_is_not_connected_and_comes_back_by_itself(site: Site, browser: Browser) -> None:
    await _look(browser, site)
    pill = "document.querySelector('#connection').innerText"
    await aside(lambda: browser.wait_for(f"{pill} === 'live'"))
    cut = {"latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    await aside(lambda: browser.call("Network.enable"))
    site.node.services.stopping.set()  # the daemon ends its streams
    await aside(lambda: browser.call("Network.emulateNetworkConditions", offline=True, **cut))
    await aside(lambda: browser.wait_for(f"{pill}.startsWith('not connected since')"))
    site.node.services.stopping.clear()
    await aside(
        lambda: browser.call("Network.emulateNetworkConditions", offline=False, **cut | {"downloadThroughput": -1})
    )
    await aside(lambda: browser.wait_for(f"{pill} === 'live'"))
    browser.forget()  # the browser notes each attempt that failed


async def test_dark_light_and_the_switch_by_keyboard(site: Site, browser: Browser) -> None:
    await _look(browser, site)

    def ground() -> str:
        return str(browser.evaluate("getComputedStyle(document.body).backgroundColor"))

    light = await aside(ground)
    await aside(lambda: browser.prefer("dark"))
    dark = await aside(ground)
    assert dark != light

    def switch() -> None:
        for _ in range(10):
            if browser.evaluate("document.activeElement.id") == "theme":
                break
            browser.press("Tab", 9)
        assert browser.evaluate("document.activeElement.matches(':focus-visible')")
        browser.press("Enter", 13)

    await aside(switch)
    assert await aside(lambda: browser.evaluate("document.activeElement.getAttribute('aria-label')")) == "Theme: light"
    assert await aside(ground) == light, "whatever the system prefers"
    await _look(browser, site)
    assert await aside(ground) == light, "it is remembered"
    await aside(lambda: browser.evaluate("localStorage.clear()"))


async def test_the_first_tab_skips_to_the_mounts(site: Site, browser: Browser) -> None:
    await _look(browser, site)
    await aside(lambda: browser.press("Tab", 9))
    await aside(lambda: browser.press("Enter", 13))
    await aside(lambda: browser.wait_for("document.activeElement.id === 'mounts'"))


async def test_a_phone_needs_no_sideways_scrolling(site: Site, browser: Browser) -> None:
    site.node.peers.statistics = STATISTICS
    await _warming(site, "a-mount-with-a-name-that-is-" + "very-" * 12 + "long")
    site.failures.append(Failure(1.0, "WARNING", "x" * 400, "origin_denied", None, "m"))
    await aside(lambda: browser.resize(360, 740))
    await _look(browser, site)
    widths = await aside(lambda: browser.evaluate("[document.documentElement.scrollWidth, innerWidth]"))
    assert widths == [360, 360], json.dumps(widths)


async def test_what_is_read_aloud_has_names(site: Site, browser: Browser) -> None:
    await _warming(site)
    await _look(browser, site)
    label = "one.getAttribute('aria-label') || document.getElementById(one.getAttribute('aria-labelledby'))"
    elements = "[...document.querySelectorAll('[role=progressbar], [role=img], button, section')]"
    unnamed = f"{elements}.filter((one) => !({label})).map((one) => one.outerHTML)"
    assert await aside(lambda: browser.evaluate(unnamed)) == []
