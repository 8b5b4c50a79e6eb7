/** The lint rules on imports, tried on bad samples: a rule whose pattern matches nothing looks the same as obedient code. */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const refused = [
  ['world/wire/x.ts', '../../lib/errors.ts'],
  ['world/wire/x.ts', '../../services/ledger.ts'],
  ['world/wire/x.ts', '../../lib/schema-faults.ts'],
  ['world/wire/x.ts', '../../profiles/file.ts'],
  ['world/wire/x.ts', '../../local/world.ts'],
  ['world/wire/x.ts', '../../test/support/call.ts'],
  ['world/services/ec2/x.ts', '../../../services/ec2.ts'],
  ['world/services/ec2/x.ts', '../../../sweep/report.ts'],
  ['lib/x.ts', '../world/kernel/clock.ts'],
  ['lib/x.ts', '../profiles/file.ts'],
  ['events/x.ts', '../services/ledger.ts'],
  ['events/x.ts', '../world/kernel/account.ts'],
  ['services/x.ts', '../events/request.ts'],
  ['services/x.ts', '../world/kernel/account.ts'],
  ['services/identity/x.ts', '../../sweep/report.ts'],
  ['profiles/x.ts', '../events/request.ts'],
  ['profiles/x.ts', '../services/ledger.ts'],
  ['profiles/x.ts', '../functions/sweep.ts'],
  ['sweep/x.ts', '../services/lightsail.ts'],
  ['sweep/x.ts', '../functions/sweep.ts'],
  ['story/x.ts', '../services/ledger.ts'],
  ['functions/x.ts', './associate-node.ts'],
  ['functions/x.ts', '../world/kernel/account.ts'],
  ['functions/x.ts', '../local/world.ts'],
  ['functions/x.ts', '../stack/stage.ts'],
  ['local/x.ts', '../stack/stage.ts'],
  ['local/view/x.ts', '../../cli/main.ts'],
  ['stack/x.ts', '../local/deployment.ts'],
  ['stack/template/x.ts', '../../local/deployment.ts'],
] as const;

const accepted = [
  ['world/wire/x.ts', '../services/dynamodb.ts'],
  ['world/wire/x.ts', './service.ts'],
  ['world/eventbridge/x.ts', '../services/paging/serial-page.ts'],
  ['world/services/ec2/x.ts', '../../wire/service.ts'],
  ['world/services/ec2/x.ts', '../auto-scaling/events.ts'],
  ['events/x.ts', '../lib/errors.ts'],
  ['services/identity/x.ts', '../../lib/errors.ts'],
  ['sweep/x.ts', '../services/ledger.ts'],
  ['functions/x.ts', '../services/ledger.ts'],
  ['local/x.ts', '../world/kernel/clock.ts'],
  ['stack/x.ts', '../services/identity/certificates.ts'],
] as const;

/** Files that read the environment; the first alone may. */
const environmentReaders = [
  'lib/config.ts',
  ...['lib', 'events', 'profiles', 'services', 'services/identity', 'sweep', 'story', 'functions'].map(
    (folder) => `${folder}/environment.ts`,
  ),
];

const KINDS = {
  value: (to: string) => `import { it } from '${to}';\nexport const sample = it;`,
  type: (to: string) => `import type { it } from '${to}';\nexport type Sample = typeof it;`,
  're-export': (to: string) => `export { it } from '${to}';`,
  dynamic: (to: string) => `export const sample = () => import('${to}');`,
};
type Kind = keyof typeof KINDS;

const folder = mkdtempSync(join(tmpdir(), 'muster-layers-'));
/** Rules broken, by file. */
const found = new Map<string, Set<string>>();
const fileOf = (from: string, index: number, kind: Kind) => from.replace('x.ts', `x${index}-${kind}.ts`);

function write(file: string, text: string): void {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  writeFileSync(join(folder, file), `${text}\n`);
}

beforeAll(async () => {
  cpSync('biome.json', join(folder, 'biome.json'));
  for (const [index, [from, to]] of [...refused, ...accepted].entries()) {
    for (const [kind, importing] of Object.entries(KINDS)) write(fileOf(from, index, kind as Kind), importing(to));
  }
  write('world/wire/loop-a.ts', "import type { B } from './loop-b.ts';\nexport type A = B;");
  write('world/wire/loop-b.ts', "import type { A } from './loop-a.ts';\nexport type B = A;");
  for (const file of environmentReaders) write(file, 'export const stage = process.env.STAGE;');
  const biome = resolve('node_modules/.bin/biome');
  const report = await new Promise<string>((done) => {
    execFile(biome, ['lint', '--max-diagnostics=none', '--reporter=json', '.'], { cwd: folder }, (_error, stdout) => {
      done(stdout);
    });
  });
  for (const { category, location } of JSON.parse(report).diagnostics) {
    const { path } = location;
    found.set(path, (found.get(path) ?? new Set()).add(category));
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

const rulesBroken = (file: string) => [...(found.get(file) ?? [])];

describe.each(['value', 'type', 're-export', 'dynamic'] as const)('A %s import across layers', (kind) => {
  it.each(refused)('is refused: %s from %s', (from, to) => {
    const index = [...refused, ...accepted].findIndex(([one, other]) => one === from && other === to);
    expect(rulesBroken(fileOf(from, index, kind))).toContain('lint/style/noRestrictedImports');
  });

  it.each(accepted)('is accepted: %s from %s', (from, to) => {
    const index = [...refused, ...accepted].findIndex(([one, other]) => one === from && other === to);
    expect(rulesBroken(fileOf(from, index, kind))).not.toContain('lint/style/noRestrictedImports');
  });
});

it('refuses process.env everywhere but in lib/config.ts', () => {
  const [reader = '', ...others] = environmentReaders;
  expect(rulesBroken(reader)).toEqual([]);
  for (const file of others) expect(rulesBroken(file)).toEqual(['lint/style/noProcessEnv']);
});

it('refuses a cycle of type imports', () => {
  expect(rulesBroken('world/wire/loop-a.ts')).toContain('lint/suspicious/noImportCycles');
});
