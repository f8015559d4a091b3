/**
 * A story that another server keeps, as a notebook's output has it: a copy to read, and the way to its page.
 *
 * Law: the copy is somebody's file, so nothing of it is believed but that it is text; the link is the one that this
 * server gives, if a service keeps its sessions, else the output's own.
 * Parts: `elsewhere`, `copyOf`.
 */
import { isObject } from "../json";
import type { JsonValue } from "../protocol";
import type { Rest, Translation } from "../ui";

/** The page of a session that the server at `baseUrl` does not keep ("" if the output does not say); null: it does. */
export function elsewhere(data: JsonValue | undefined, baseUrl: string): string | null {
  if (!isObject(data) || data["home"] !== false) return null;
  const url = text(data["url"]);
  if (url.startsWith(`${baseUrl}novel/s/`)) return null;
  return /^https?:\/\//.test(url) ? url : "";
}

export function copyOf(trans: Translation, rest: Rest, sessionId: string, data: JsonValue | undefined, url: string): HTMLElement {
  const mirror = isObject(data) && isObject(data["mirror"]) ? data["mirror"] : {};
  const { title, as_of, turns, scene } = mirror;
  const link = element("a", trans.__("Open it there"));
  link.target = "_blank";
  link.rel = "noopener noreferrer";
  link.hidden = url === "";
  if (url !== "") link.href = url;
  rest
    .ask<{ service_urls: string[] }>("service")
    .then(({ service_urls: [path] }) => {
      if (path === undefined) return;
      link.href = new URL(`${path}novel/s/${sessionId}`, rest.baseUrl).href;
      link.hidden = false;
    })
    .catch(() => undefined); // then the output's own address stays
  const told = (Array.isArray(turns) ? turns : []).flatMap((turn) =>
    isObject(turn) ? [element("h4", trans.__("Turn %1", Number(turn["number"]))), ...paragraphs(turn["prose"])] : [],
  );
  const made = element(
    "section",
    element("h3", text(title) || trans.__("A story")),
    element("p", trans.__("Another server keeps this story. This is a copy to read, as of %1.", text(as_of) || "?"), " ", link),
    ...(told.length > 0 ? told : paragraphs(isObject(scene) ? scene["text"] : "")),
  );
  made.className = "jp-RenderedHTMLCommon";
  made.dir = "auto";
  return made;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function paragraphs(prose: unknown): HTMLElement[] {
  return text(prose)
    .split("\n\n")
    .filter((part) => part !== "")
    .map((part) => element("p", part));
}

function element<Name extends keyof HTMLElementTagNameMap>(name: Name, ...children: (string | Node)[]): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  made.append(...children);
  return made;
}
