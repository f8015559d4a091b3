/**
 * The plain page: one session, for people without a notebook.
 */
import { mount } from "../ui";

const { sessionId = "", baseUrl = "/" } = document.body.dataset;
const element = document.getElementById("novel");
if (element !== null && sessionId !== "") mount(element, { sessionId, baseUrl });
