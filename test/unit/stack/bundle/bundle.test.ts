import { mkdirSync, mkdtempSync, realpathSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { bundle, faultsOfBundles } from '../../../../stack/bundle/bundle.ts';

/** A folder with these functions in it. */
function rootWith(functions: Record<string, string>): string {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'muster-bundle-')));
  mkdirSync(join(root, 'functions'));
  for (const [name, source] of Object.entries(functions)) writeFileSync(join(root, 'functions', `${name}.ts`), source);
  return root;
}

describe('a bundle', () => {
  it('is one file with what was compiled into it', async () => {
    const root = rootWith({
      shared: 'export const profiles = () => JSON.parse(process.env.MUSTER_PROFILES ?? "[]");',
      one: 'import { profiles } from "./shared.ts"; export const handler = async () => profiles();',
    });
    const define = { 'process.env.MUSTER_PROFILES': JSON.stringify('[{"name":"web"}]') };
    const [one] = await bundle(root, ['one'], define);
    expect(one).toMatchObject({ name: 'one', file: join(root, 'build/functions/one/index.mjs') });
    expect(one?.gzipBytes).toBeLessThan(one?.bytes ?? 0);
    const { handler } = await import(pathToFileURL(one?.file ?? '').href);
    expect(await handler()).toEqual([{ name: 'web' }]);
  });

  it('may hold CommonJS that asks for a module of Node', async () => {
    const root = rootWith({ one: 'export const handler = () => require("node:os").EOL;' });
    expect(await faultsOfBundles(await bundle(root, ['one'], {}))).toEqual([]);
  });

  it('must be importable and export a handler', async () => {
    const root = rootWith({
      good: 'export const handler = () => 1;',
      broken: 'throw new Error("no region"); export const handler = () => 1;',
      empty: 'export const handle = () => 1;',
    });
    expect(await faultsOfBundles(await bundle(root, ['good', 'broken', 'empty'], {}))).toEqual([
      expect.stringMatching(/broken\/index\.mjs cannot be imported: Error: no region$/),
      expect.stringMatching(/empty\/index\.mjs exports no function "handler"\.$/),
    ]);
  });
});
