/**
 * The page: one person, one agent, one conversation by voice and by text.
 *
 * `access` lets somebody in, `start` is what is seen before joining, `room` holds the call and what is around the transcript,
 * `conversation` makes the transcript out of what the agent tells, `sessions` shows earlier ones. `inbox` is the bell and what
 * is behind it: `notifications`, `tasks` and `preferences`, that is when, where and of what to be told. `gateway` speaks HTTP,
 * and listens at the gateway's socket.
 */

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App } from "./app";
import "./style/index.css";

const page = document.getElementById("page");
if (page) {
  createRoot(page).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
