import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** What the build reads, in a folder of its own, with a build for `prod` in it. */
function builtBefore(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'muster-package-')));
  for (const part of [
    'stack',
    'lib',
    'profiles',
    'services',
    'functions',
    'events',
    'world',
    'resources',
    'serverless.yml',
    'parameters.yml',
    'profiles.yml',
  ])
    cpSync(join(root, part), join(folder, part), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  mkdirSync(join(folder, 'build'));
  writeFileSync(join(folder, 'build/stage.json'), '{"prod":"profiles.yml"}');
  return folder;
}

describe('a build that is refused', () => {
  it.each([
    [
      'the stage',
      () => {},
      ['--stage', 'nope'],
      /^parameters\.yml:\d+: there is no stage nope here: add "nope: \{\}" below .*\.$/,
    ],
    [
      "the stage's name",
      () => {},
      ['--stage', 'My_Stage'],
      /^--stage My_Stage: a stage's name is .*: write my-stage\.$/,
    ],
    [
      'the profiles',
      (folder: string) => writeFileSync(join(folder, 'profiles.yml'), 'profiles: 5\n'),
      ['--stage', 'prod'],
      /^profiles\.yml:1 profiles: /,
    ],
    [
      'a Region',
      (folder: string) =>
        writeFileSync(
          join(folder, 'profiles.yml'),
          'profiles: [{ name: a, match: { lightsail: "*" }, regions: [eu-wst-1], metadata: { httpTokens: required } }]\n',
        ),
      ['--stage', 'prod'],
      /^profiles\.yml:1: the profile a names the Region eu-wst-1, .*\.$/,
    ],
  ])('for %s leaves none behind that could be deployed', (_what, change, args, sentence) => {
    const folder = builtBefore();
    change(folder);
    const { status, stderr } = spawnSync(process.execPath, ['stack/package.ts', ...args], { cwd: folder });
    expect(String(stderr).trim()).toMatch(sentence);
    expect(status).toBe(1);
    expect(existsSync(join(folder, 'build/stage.json'))).toBe(false);
  });
});
