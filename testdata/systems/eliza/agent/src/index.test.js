import assert from "node:assert/strict";
import test from "node:test";
import { nativeModules } from "@eliza/core";

test("every native module answers", async () => {
  assert.deepEqual(Object.keys(await nativeModules()), ["esbuild", "rollup", "swc", "tokenizers"]);
});
