/** The list of sessions: where a service keeps them, the way there. */
// @vitest-environment happy-dom
import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, expect, test, vi } from "vitest";

import { Lobby } from "../../src/ui/Lobby";
import { Rest } from "../../src/ui/rest";
import { asWritten } from "../../src/ui/translate";

const box = document.createElement("div");
document.body.append(box);
afterEach(() => render(null, box));

function shown(services: readonly string[]): void {
  const request = (url: string): Promise<Response> =>
    Promise.resolve(
      url.endsWith("/service")
        ? Response.json({ service_urls: services })
        : Response.json({ code: "elsewhere", message: "the sessions are kept by a service" }, { status: 421 }),
    );
  const rest = new Rest("http://hub.test/user/ada/", request);
  act(() => render(<Lobby rest={rest} trans={asWritten} onOpen={() => undefined} />, box));
}

test("a server whose sessions a service keeps leads to the service's page", async () => {
  shown(["/services/novel/", "/services/second/"]);
  await vi.waitFor(() => expect(box.querySelector("a")?.href).toBe("http://hub.test/services/novel/novel/"));
  expect(box.querySelector("button")).toBeNull();
});

test("what is no path of this address is no way, and the server's own words are shown", async () => {
  for (const services of [[], ["//elsewhere.test/"], ["javascript:alert(1)"]]) {
    shown(services);
    await vi.waitFor(() => expect(box.textContent).toContain("the sessions are kept by a service"));
    expect(box.querySelector("a")).toBeNull();
    render(null, box);
  }
});
