// What engines in JavaScript say about the integrity of files: one JSON document on stdout.
//
//   node verify.mjs < '[["image/png", "/a/b.png"], …]'
//     -> [{"c2pa-wasm": {"says": "intact", "detail": ""}, "c2pa-ts": {…}}, …]
//
// `says` is intact, changed, absent or failed (the engine could not tell); `detail` is its own words.
// Nothing is fetched, and who is trusted is not asked.
import { webcrypto } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { text } from 'node:stream/consumers';
import initialise, { WasmReader } from '@contentauth/c2pa-wasm';
import * as assets from '@trustnxt/c2pa-ts/asset';
import { SuperBox } from '@trustnxt/c2pa-ts/jumbf';
import { ManifestStore } from '@trustnxt/c2pa-ts/manifest';

const OFFLINE = JSON.stringify({ verify: { remote_manifest_fetch: false, ocsp_fetch: false } });

// Codes that say who signed and when, not whether something changed.
const TRUST = ['signingCredential.', 'timeStamp.', 'timeOfSigning.', 'cawg.'];

globalThis.crypto ??= webcrypto; // Node 18
const wasm = createRequire(import.meta.url).resolve('@contentauth/c2pa-wasm/c2pa.wasm');
await initialise({ module_or_path: await readFile(wasm) });

function judged(codes) {
  const broken = codes.filter((code) => !TRUST.some((prefix) => code.startsWith(prefix)));
  return { says: broken.length ? 'changed' : 'intact', detail: broken.join(', ') };
}

async function c2paWasm(mediaType, data) {
  const reader = await WasmReader.fromBytes(mediaType, data, OFFLINE);
  const found = JSON.parse(reader.json());
  reader.free();
  const results = found.validation_results;
  const groups = [results.activeManifest, ...(results.ingredientDeltas ?? []).map((d) => d.validationDeltas)];
  return judged(groups.flatMap((group) => group.failure.map((status) => status.code)));
}

async function c2paTs(mediaType, data) {
  const kinds = Object.entries(assets).filter(([, kind]) => kind.canRead);
  const [, Kind] = kinds.find(([, kind]) => kind.canRead(data)) ?? [];
  if (!Kind) throw new Error(`none of ${kinds.map(([name]) => name).sort().join(', ')} reads it`);
  const asset = await (Kind.create?.(data) ?? new Kind(data));
  const store = await asset.getManifestJUMBF();
  if (!store) return { says: 'absent', detail: '' };
  const result = await ManifestStore.read(SuperBox.fromBuffer(store)).validate(asset);
  return judged(result.statusEntries.filter((status) => !status.success).map((status) => status.code));
}

async function asked(engine, mediaType, data) {
  try {
    return await engine(mediaType, data);
  } catch (error) {
    const said = String(error?.message ?? error);
    return { says: /JumbfNotFound/.test(said) ? 'absent' : 'failed', detail: said };
  }
}

const answers = [];
for (const [mediaType, path] of JSON.parse(await text(process.stdin))) {
  const data = new Uint8Array(await readFile(path));
  answers.push({
    'c2pa-wasm': await asked(c2paWasm, mediaType, data),
    'c2pa-ts': await asked(c2paTs, mediaType, data),
  });
}
process.stdout.write(JSON.stringify(answers));
