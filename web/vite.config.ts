/// <reference types="vitest/config" />
import { defineConfig } from "vite";

export default defineConfig({
  // Relative, so that the page may be served from a path of its own.
  base: "./",
  esbuild: { jsx: "automatic" },
  build: {
    target: "es2022",
    // The gateway's content-security policy allows files of the page, not `data:` addresses.
    assetsInlineLimit: 0,
    // LiveKit's client is most of it.
    chunkSizeWarningLimit: 1200,
  },
  test: { include: ["test/**/*.test.ts"], environment: "node" },
});
