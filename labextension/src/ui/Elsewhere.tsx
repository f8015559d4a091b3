/**
 * For a server whose sessions are kept by a service: the way there.
 *
 * Law: the service is at a path of the address that the browser is at; it has a login of its own, so it opens as a page.
 * Parts: `pageElsewhere`, `Elsewhere`.
 */
import type { JSX } from "preact";

import { RestError, type Rest } from "./rest";
import type { Translation } from "./translate";

/** The service's page, if that is why this server did not answer; else null. */
export async function pageElsewhere(rest: Rest, error: unknown): Promise<string | null> {
  if (!(error instanceof RestError) || error.code !== "elsewhere") return null;
  const { service_urls } = await rest.ask<{ service_urls: string[] }>("service").catch(() => ({ service_urls: [] }));
  const path = service_urls[0];
  if (path === undefined || !/^\/(?!\/)/.test(path)) return null;
  return new URL(`${path}novel/`, rest.baseUrl).href;
}

export function Elsewhere({ page, trans }: { page: string; trans: Translation }): JSX.Element {
  return (
    <p class="jp-Novel-elsewhere">
      {trans.__("Stories are kept for everybody by a service here, and played on its pages.")}{" "}
      <a href={page} target="_blank" rel="noopener noreferrer">
        {trans.__("Open the story pages")}
      </a>
    </p>
  );
}
