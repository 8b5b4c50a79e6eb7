import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundle } from '../../stack/bundle/bundle.ts';
import { functionNames } from '../support/functions.ts';
import { databaseProfile } from '../support/self-managed.ts';
import { ENTRIES, makeFolder, overlay } from '../support/toy-engine/overlay.ts';
import { launchActions, playWorld, statesOf, untilEnded, untilOneEnded } from '../support/world.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = makeFolder();
afterAll(() => rmSync(folder, { recursive: true }));

describe('an engine that is new', () => {
  const whole = join(folder, 'whole');
  const bundles = join(folder, 'bundles');
  let doubles: Awaited<ReturnType<typeof import('../../local/doubles.ts').startDoubles>>;

  beforeAll(async () => {
    const sources = ['events', 'functions', 'lib', 'local', 'profiles', 'services', 'sweep'];
    overlay(whole, sources, ENTRIES);
    await bundle(whole, functionNames, {}, bundles);
    const { startDoubles } = await import(pathToFileURL(join(whole, 'local/doubles.ts')).href);
    // Only the overlay knows this engine.
    const server = { engine: 'toy', url: 'http://toy.example' } as never;
    doubles = await startDoubles([databaseProfile(server)]);
  }, 180_000);
  afterAll(() => doubles.close());

  function playToy() {
    const load = (source: string) => import(pathToFileURL(join(bundles, basename(source, '.ts'), 'index.mjs')).href);
    return playWorld({ load, profiles: doubles.profiles });
  }

  async function nodes(): Promise<Record<string, unknown>> {
    const [{ associate } = {}] = doubles.profiles;
    if (!associate || !('url' in associate)) throw new Error('The profile names no server.');
    return (await fetch(`${associate.url}/nodes`)).json() as Promise<Record<string, unknown>>;
  }

  it('enrols a node before it takes traffic, and retires it', async () => {
    const world = await playToy();
    const [instance = ''] = world.autoScaling.launch('database', 1);
    expect(await untilOneEnded(world)).toMatchObject({ instance, outcome: 'enrolled', lifecycle: 'Pending:Proceed' });
    const address = world.ec2.instance(instance)?.privateIpAddress;
    expect(await nodes()).toEqual({ [instance]: { address, group: 'database' } });
    expect(world.machines.executions().flatMap(statesOf)).not.toContain('RequestIdentity');
    expect(launchActions(world)).toMatchObject([{ result: 'CONTINUE', resolvedBy: 'caller' }]);
    await world.clock.advance(300_000);
    world.autoScaling.setDesiredCapacity('database', 0);
    await untilEnded(world, 3);
    await world.clock.advance(600_000);
    expect(await nodes()).toEqual({});
    expect(await world.ledger()).toMatchObject([{ instance, status: 'retired' }]);
  });
});

describe('an engine that lacks', () => {
  // The files that have an entry, and the one whose types follow from it.
  const sources = [...new Set(ENTRIES.map(({ file }) => file)), 'lib/profile.ts'];
  const traits = [
    'displayName',
    'serverId',
    'showsKey',
    'awsApi',
    'reservedNames',
    'nodeKey',
    'secrets',
    'installation',
  ];
  const faults = new Map<string, string[]>();

  beforeAll(() => {
    overlay(join(folder, 'nothing'), sources, ENTRIES);
    ENTRIES.forEach((entry, index) => {
      overlay(
        join(folder, `entry-${index}`),
        sources,
        ENTRIES.filter((other) => other !== entry),
      );
    });
    for (const trait of traits) {
      overlay(join(folder, trait), sources, ENTRIES);
      removeLine(join(folder, trait, 'test/support/toy-engine/server.ts'), trait);
    }
    const include = ['nothing', 'entry-*', ...traits].flatMap((one) => sources.map((source) => `${one}/${source}`));
    writeFileSync(join(folder, 'tsconfig.variants.json'), JSON.stringify({ extends: './tsconfig.json', include }));
    for (const line of compile()) {
      const [variant = ''] = line.split('/');
      faults.set(variant, [...(faults.get(variant) ?? []), line]);
    }
  }, 180_000);

  function removeLine(file: string, trait: string): void {
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.replace(new RegExp(`^ +${trait}: .*\n`, 'm'), ''));
  }

  /** @returns one line for each error */
  function compile(): string[] {
    const tsc = join(root, 'node_modules/.bin/tsc');
    try {
      execFileSync(tsc, ['--noEmit', '--pretty', 'false', '--project', 'tsconfig.variants.json'], { cwd: folder });
      return [];
    } catch (error) {
      const { stdout } = error as { stdout: Buffer };
      return stdout
        .toString()
        .split(/\n(?=\S)/)
        .filter(Boolean);
    }
  }

  it('nothing compiles', () => {
    expect(faults.get('nothing')).toBeUndefined();
  });

  it.each(ENTRIES.map(({ file, after, reportedIn }, index) => [file, after.source, reportedIn, `entry-${index}`]))(
    'its entry in %s after %s does not compile, with one error',
    (_file, _after, reportedIn, variant) => {
      expect(faults.get(variant)).toEqual([expect.stringMatching(new RegExp(`${reportedIn}.* error TS.*toy`, 's'))]);
    },
  );

  it.each(traits)('the trait %s does not compile, with one error', (trait) => {
    expect(faults.get(trait)).toEqual([
      expect.stringMatching(new RegExp(`toy-engine/server.ts.* error TS.*${trait}`, 's')),
    ]);
  });
});
