/**
 * What is not live, asked of the server.
 *
 * Law: the same identity as the socket's; what writes carries the XSRF token of the page's cookie. A refusal is an
 * error with the server's own code and words.
 */
import type { JsonObject } from "../json";

export type Method = "GET" | "POST" | "PATCH" | "DELETE";

/** Sends one request; a host with rules of its own (JupyterLab) brings another. */
export type Request = (url: string, init: RequestInit) => Promise<Response>;

export class RestError extends Error {
  readonly code: string;
  readonly status: number;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export class Rest {
  readonly baseUrl: string;
  readonly #request: Request;

  /** `baseUrl` ends with a slash. */
  constructor(baseUrl: string, request: Request = (url, init) => fetch(url, init)) {
    this.baseUrl = baseUrl;
    this.#request = request;
  }

  /** @throws RestError, and TypeError where no server answers. */
  async ask<T = JsonObject>(path: string, method: Method = "GET", body?: unknown): Promise<T> {
    const headers: { [name: string]: string } = {};
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const xsrf = cookie("_xsrf");
    if (method !== "GET" && xsrf !== null) headers["X-XSRFToken"] = xsrf;
    const answer = await this.#request(`${this.baseUrl}novel/api/${path}`, {
      method,
      headers,
      credentials: "same-origin",
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const said = (await answer.json().catch(() => null)) as { code?: string; message?: string } | null;
    // A page (a login form, a proxy's words) is no answer.
    if (said === null) throw new RestError(answer.status, "internal", answer.statusText);
    if (!answer.ok) throw new RestError(answer.status, said.code ?? "internal", said.message ?? answer.statusText);
    return said as T;
  }
}

function cookie(name: string): string | null {
  const found = globalThis.document?.cookie.match(new RegExp(`(?:^|; )${name}=([^;]*)`));
  return found?.[1] ?? null;
}
