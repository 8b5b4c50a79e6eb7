import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
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
    'statemachines',
    'documents',
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
      ['--stage', 'nope'],
      /^parameters\.yml:\d+: there is no stage nope here: add "nope: \{\}" below .*\.$/,
    ],
    ["the stage's name", ['--stage', 'My_Stage'], /^--stage My_Stage: a stage's name is .*: write my-stage\.$/],
    [
      'a misspelt option',
      ['--stag', 'prod'],
      /^npm run package: unknown option '--stag' \(Did you mean --stage\?\)\. --help lists the options\.$/,
    ],
  ])('for %s leaves none behind that could be deployed', (_what, args, sentence) => {
    const folder = builtBefore();
    const { status, stderr } = spawnSync(process.execPath, ['stack/package.ts', ...args], { cwd: folder });
    expect(String(stderr).trim()).toMatch(sentence);
    expect(status).toBe(1);
    expect(existsSync(join(folder, 'build/stage.json'))).toBe(false);
  });

  it('lists the faults of every file in one run', { timeout: 120_000 }, () => {
    const folder = builtBefore();
    const change = (file: string, from: string, to: string) => {
      const text = readFileSync(join(folder, file), 'utf8');
      expect(text).toContain(from);
      writeFileSync(join(folder, file), text.replace(from, to));
    };
    writeFileSync(join(folder, 'profiles.yml'), 'profiles: 5\n');
    change('parameters.yml', 'logRetentionInDays: 365', 'logRetentionInDays: 366');
    change('resources/functions.yml', 'keep-waiting:', 'keep-waitin:');
    change('statemachines/enrol-node.asl.yml', 'Next: ResolveProfile', 'Next: ResolvProfile');
    const { status, stderr } = spawnSync(process.execPath, ['stack/package.ts', '--stage', 'prod'], { cwd: folder });
    expect(String(stderr)).toMatch(/^profiles\.yml:1 profiles: it must be a list/m);
    expect(String(stderr)).toMatch(/^parameters\.yml:\d+: logRetentionInDays is 366: /m);
    expect(String(stderr)).toMatch(
      /^resources\/functions\.yml:\d+: there is no functions\/keep-waitin\.ts: write keep-waiting\.$/m,
    );
    expect(String(stderr)).toMatch(/^statemachines\/enrol-node\.asl\.yml:\d+: State \w+ leads to ResolvProfile, /m);
    expect(status).toBe(1);
    expect(existsSync(join(folder, 'build/stage.json'))).toBe(false);
  });
});
