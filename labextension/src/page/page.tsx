/**
 * The plain page: one session for people without a notebook, or the list of one's sessions.
 *
 * Law: the document brings nothing but where the server is and which session is meant; who looks is asked of the server.
 * Each socket takes a ticket, because the page may share its origin with others.
 */
import { render } from "preact";

import { Lobby, Rest, RestError, asWritten, mount } from "../ui";
import { Arrive } from "./Arrive";

const { sessionId = "", baseUrl = "/" } = document.body.dataset;
const element = document.getElementById("novel");
const rest = new Rest(new URL(baseUrl, location.href).href);
const trans = asWritten;

function story(box: HTMLElement): void {
  render(null, box);
  mount(box, { sessionId, baseUrl, ticketFor: sessionId, onTitle: (title) => (document.title = title) });
}

function say(box: HTMLElement, text: string, link?: { href: string; label: string }): void {
  render(
    <div class="jp-Novel jp-Novel-door">
      <main>
        <p role="alert">{text}</p>
        {link === undefined ? null : <a href={link.href}>{link.label}</a>}
      </main>
    </div>,
    box,
  );
}

/** Whether the server knows who looks. 404 is somebody whom it knows, and who is not in this session yet. */
async function known(): Promise<boolean> {
  try {
    await rest.ask(`sessions/${sessionId}/me`);
    return true;
  } catch (error) {
    if (!(error instanceof RestError)) throw error;
    return error.status === 404;
  }
}

async function begin(box: HTMLElement): Promise<void> {
  if (sessionId === "") {
    const open = (id: string): void => location.assign(new URL(`novel/s/${id}`, rest.baseUrl));
    render(<Lobby rest={rest} trans={trans} onOpen={open} />, box);
    return;
  }
  const token = new URLSearchParams(location.hash.slice(1)).get("invite");
  if (await known()) {
    if (token !== null) history.replaceState(null, "", location.pathname + location.search);
    return story(box);
  }
  if (token === null) {
    const href = new URL(`novel/login?next=${encodeURIComponent(location.pathname)}`, rest.baseUrl).href;
    return say(box, trans.__("This story is for people who are logged in, or who have an invite."), { href, label: trans.__("Log in") });
  }
  const enter = (): void => {
    history.replaceState(null, "", location.pathname + location.search);
    story(box);
  };
  render(<Arrive rest={rest} trans={trans} token={token} onIn={enter} />, box);
}

if (element !== null) {
  begin(element).catch(() => say(element, trans.__("The server does not answer."), { href: location.href, label: trans.__("Try again") }));
}
