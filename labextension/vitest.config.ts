/**
 * How the TypeScript tests run.
 *
 * Law: a test that meets a real server starts that server itself and waits for it, so hooks get more time than tests.
 * Files run one after another: each server test owns two processes, and a laptop has few cores.
 */
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    environment: "node",
    include: ["tests/**/*.test.{ts,tsx}"],
    testTimeout: 20_000,
    hookTimeout: 60_000,
    fileParallelism: false,
    restoreMocks: true,
    reporters: ["default"],
  },
});
