import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isFull } from './support/size.ts';

/**
 * Every command that the documents show is run: by `.ci/run`, or here; or its block says in its first line what it needs
 * that this machine has not.
 */
const root = fileURLToPath(new URL('..', import.meta.url));
const documents = globSync(['*.md', 'docs/**/*.md'], { cwd: root });

/** First lines of blocks that nobody can run here. */
const MARK = /^# (Needs an AWS account|On the (Puppet|Chef) server)\b/;

/** Replaces commands that take minutes, write into this folder, or name a file of the reader's. */
const INSTEAD: Record<string, string> = {
  'npm run bench': 'npm run bench -- --launches=2',
  'npm run soak': 'npm run soak -- --seeds=1 --launches=5 --hours=1',
  'npm run bench:cold': 'npm run bench:cold -- --rounds=1 --most=Infinity',
  'npx biome check --write .': 'npx biome check .',
  'npm start -- --event FILE': 'npm start -- --port 0 --event events/samples/typed-ec2.json',
};

/** They take longer than all others together: a test that plays whole runs them. */
const LONG = /^npm run (bench|soak)|^npx (biome|vitest) /;

/** Nothing checks them; the AWS CLI wants some. */
const CREDENTIALS = { AWS_ACCESS_KEY_ID: 'local', AWS_SECRET_ACCESS_KEY: 'local', AWS_DEFAULT_REGION: 'eu-west-1' };

const ci = new Set([...read('.ci/run').matchAll(/^step (?:\d+ )?(.+)$/gm)].map(([, step = '']) => step));
const shown = documents.flatMap((document) => commandsOf(document));
const here = [...new Set(shown)].filter((command) => !ci.has(command));
const toWorld = here.filter((command) => /^(curl|aws) .*http:\/\/127\.0\.0\.1:4566/.test(command));
const ours = here.filter((command) => /^(npm|npx) /.test(command) && !command.endsWith('--serve'));
const hasAws = spawnSync('aws', ['--version']).status === 0;
if (!hasAws) console.warn("SKIPPED: the documents' commands for the AWS CLI, which is not installed.");

function read(file: string): string {
  return readFileSync(`${root}/${file}`, 'utf8');
}

/** The commands of a document, without those in blocks that are marked. */
function commandsOf(document: string): string[] {
  const text = read(document);
  const blocks = [...text.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, block = '']) => block);
  const inline = [...text.matchAll(/`((?:npm|npx|\.ci\/run)(?: [^`]+)?)`/g)].map(([, command = '']) => command);
  const lines = blocks
    .filter((block) => !MARK.test(block))
    .flatMap((block) => block.replaceAll('\\\n', ' ').split('\n'));
  return [...lines, ...inline]
    .map((line) => line.replace(/ +# .*/, '').trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .flatMap((line) => line.split(' && '));
}

function run(command: string): Promise<{ stdout: string }> {
  return promisify(execFile)('bash', ['-euo', 'pipefail', '-c', command], {
    cwd: root,
    timeout: 110_000,
    // As in a reader's shell.
    env: { ...process.env, ...CREDENTIALS, MUSTER_TEST_SIZE: 'small' },
  });
}

describe('the documents', () => {
  it('show commands', () => {
    expect(shown.length).toBeGreaterThan(20);
  });

  it('say of every other command what it needs that this machine has not', () => {
    const tried = [...ours, ...toWorld, 'npm start -- --serve'];
    expect(here.filter((command) => !tried.includes(command))).toEqual([]);
  });

  it.each(ours.filter((command) => isFull || !LONG.test(command)))(
    'show a command that works: %s',
    { timeout: 120_000 },
    async (command) => {
      await run(INSTEAD[command] ?? command.replace('npm start --', 'npm start -- --port 0'));
    },
  );
});

describe('a world that serves', () => {
  let serving: ChildProcess;
  let endpoint: string;

  beforeAll(async () => {
    serving = spawn(process.execPath, ['local/main.ts', '--serve', '--port', '0'], { cwd: root });
    endpoint = await new Promise((resolve, reject) => {
      let said = '';
      serving.stdout?.on('data', (chunk) => {
        said += chunk;
        const [address] = /http:\/\/127\.0\.0\.1:\d+/.exec(said) ?? [];
        if (address) resolve(address);
      });
      serving.on('exit', () => reject(new Error(`It does not serve: ${said}`)));
    });
  });
  afterAll(() => serving.kill());

  it.for(toWorld)('answers %s', async (command, { skip }) => {
    if (command.startsWith('aws ')) skip(!hasAws);
    const { stdout } = await run(command.replaceAll('http://127.0.0.1:4566', endpoint).replace('curl', 'curl -sSf'));
    expect(JSON.parse(stdout)).toBeTypeOf('object');
  });
});
