/** The page while it is worked on: with a stand-in for the gateway, and the gallery of states. No part of the build. */

import { defineConfig } from "vite";

import page from "../vite.config";
import { standIn } from "./stand-in";

export default defineConfig({ ...page, base: "/", root: new URL("..", import.meta.url).pathname, plugins: [standIn()] });
