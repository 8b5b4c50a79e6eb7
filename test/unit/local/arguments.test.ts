import { afterAll, describe, expect, it, vi } from 'vitest';
import { readArguments } from '../../../local/arguments.ts';
import { Unusable } from '../../../local/unusable.ts';

describe('The command line', () => {
  it('plays the scene, a minute and a half of the world in a second of ours, when it says nothing', () => {
    expect(readArguments([])).toStrictEqual({
      eventFiles: [],
      serve: false,
      speed: 90,
      port: 4566,
      json: false,
      logFile: undefined,
      sweep: undefined,
    });
  });

  it('serves at the speed of the wall clock, unless it says otherwise', () => {
    expect(readArguments(['--serve'])).toMatchObject({ serve: true, speed: 1 });
    expect(readArguments(['--serve', '--speed', '2.5'])).toMatchObject({ speed: 2.5 });
  });

  it('takes several event files, together or one by one', () => {
    const eventFiles = ['a.json', 'b.json', 'c.json'];
    expect(readArguments(['--event', 'a.json', 'b.json', '--json', '--event', 'c.json'])).toMatchObject({ eventFiles });
  });

  it('takes any port that there is, and a log file', () => {
    const asked = readArguments(['--port', '0', '--logs', 'functions.log']);
    expect(asked).toMatchObject({ port: 0, logFile: 'functions.log' });
  });

  it('sweeps in the end, into a folder of its own or of yours, in earnest or not', () => {
    expect(readArguments(['--sweep'])).toMatchObject({ sweep: { folder: 'build/sweep', isDryRun: false } });
    expect(readArguments(['--out', 'here', '--dry-run'])).toMatchObject({
      sweep: { folder: 'here', isDryRun: true },
    });
  });

  it.each([
    [['--sped', '3'], "Unknown option '--sped' (Did you mean --speed?)"],
    [['scene'], 'Too many arguments'],
    [['--event'], "Option '--event <files...>' argument missing."],
    [['--speed', '0'], 'above 0'],
    [['--speed', 'fast'], 'above 0'],
    [['--speed', 'Infinity'], 'above 0'],
    [['--port', '65536'], 'from 0 to 65535'],
    [['--port', '-1'], 'from 0 to 65535'],
    [['--port', '80a'], 'from 0 to 65535'],
    [['--sweep', '--serve'], 'cannot be used with'],
  ])('refuses %j in one sentence that says where help is', (argv, reason) => {
    const refusal = refusalOf(argv);
    expect(refusal).toMatchObject({ exitCode: 2, message: expect.stringContaining(reason) });
    expect(refusal.message).toMatch(/^[A-Z].*See npm start -- --help\.$/);
  });
});

describe('Help', () => {
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  afterAll(() => write.mockRestore());

  it('names every option and every exit code, and plays nothing', () => {
    expect(readArguments(['--help'])).toBeUndefined();
    const printed = write.mock.calls.join('');
    for (const word of [
      '--event',
      '--serve',
      '--speed',
      '--port',
      '--json',
      '--logs',
      '--sweep',
      '--out',
      '--dry-run',
      'Exit codes: 0',
    ])
      expect(printed).toContain(word);
  });
});

function refusalOf(argv: string[]): Unusable {
  try {
    readArguments(argv);
  } catch (error) {
    if (error instanceof Unusable) return error;
    throw error;
  }
  throw new Error(`${argv.join(' ')} was taken.`);
}
