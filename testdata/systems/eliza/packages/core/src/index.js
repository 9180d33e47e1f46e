// Uses each native module once: what cannot be loaded here fails at the start, by name.
import tokenizers from "@anush008/tokenizers";
import swc from "@swc/core";
import esbuild from "esbuild";
import { rollup } from "rollup";

const source = "export const answer: number = 42;";

async function bundle(code) {
  const plugin = { name: "memory", resolveId: (id) => id, load: () => code };
  const bundled = await (await rollup({ input: "memory", plugins: [plugin] })).generate({ format: "es" });
  return bundled.output[0].code;
}

/** What each module made of the same line. */
export async function nativeModules() {
  const plain = (await esbuild.transform(source, { loader: "ts" })).code;
  return {
    esbuild: plain.trim(),
    rollup: (await bundle(plain)).trim(),
    swc: (await swc.transform(source, { jsc: { parser: { syntax: "typescript" } } })).code.trim(),
    tokenizers: typeof tokenizers.Tokenizer,
  };
}
