import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { SweepReport } from '../../sweep/report.ts';

const folder = mkdtempSync(join(tmpdir(), 'muster-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Fast enough for a test; nothing in the scene depends on it. */
const FAST = ['--port', '0', '--speed', '600'];

/** What `npm start -- …` does. */
function start(...options: string[]): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, ['local/main.ts', ...options], (_error, stdout, stderr) =>
      resolve({ exitCode: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

/** The shape that the README promises. */
const Enrolment = z.strictObject({
  instance: z.string(),
  platform: z.enum(['ec2', 'lightsail']),
  profile: z.string().nullable(),
  outcome: z.enum(['enrolled', 'failed', 'ignored']),
  attempts: z.record(z.string(), z.int().positive()),
  association: z.strictObject({ serverName: z.string(), nodeName: z.string() }).nullable(),
  opsworksInstanceId: z.uuid().nullable(),
  metadata: z.record(z.string(), z.unknown()).nullable(),
  lifecycle: z.string().nullable(),
  seconds: z.int().min(0),
  cause: z.string().nullable(),
});

describe.concurrent('npm start', { timeout: 60_000 }, () => {
  it('plays the scene, tells of everything in plain lines, and ends well', async () => {
    const logFile = join(folder, 'functions.log');
    const { exitCode, stdout, stderr } = await start(...FAST, '--logs', logFile);
    expect({ exitCode, stderr }).toStrictEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toMatch(/web +i-\w+ +AssociateNode: ServerNotReady: The server ChefServer is UNDER_MAINTENANCE/);
    expect(stdout).toMatch(/analytics +i-\w+ +ignored: .* which no profile names/);
    expect(stdout).toMatch(
      /database +i-\w+ +failed: .* AccessDeniedException.* Its launch still waits in the hook muster-launch/,
    );
    expect(stdout).toMatch(/web +i-\w+ +retired in/);
    for (const row of ['database: InService', 'analytics: Pending:Wait', 'terminated', 'lost events  nothing'])
      expect(stdout).toContain(row);
    expect(stdout).toMatch(/^4 enrolled, 1 retired, 1 ignored in /m);
    expect(stdout).not.toContain('\u001b[');
    const lines = readFileSync(logFile, 'utf8').trim().split('\n');
    expect(lines.map((line) => JSON.parse(line)).filter(({ message }) => message === 'Done').length).toBeGreaterThan(
      20,
    );
  });

  it('prints one JSON object a line for each enrolment, once an instance, and nothing else', async () => {
    const { exitCode, stdout, stderr } = await start(...FAST, '--json');
    expect({ exitCode, stderr }).toStrictEqual({ exitCode: 0, stderr: '' });
    const enrolments = stdout
      .trimEnd()
      .split('\n')
      .map((line) => Enrolment.parse(JSON.parse(line)));
    expect(
      enrolments.map(({ profile, outcome, lifecycle }) => `${profile} ${outcome} ${lifecycle}`).sort(),
    ).toStrictEqual([
      'database enrolled InService',
      'database enrolled InService',
      'database failed Pending:Wait',
      'lightsail enrolled null',
      'lightsail enrolled null',
      'null ignored Pending:Wait',
      'web enrolled InService',
    ]);
    expect(enrolments.find(({ profile }) => profile === 'web')?.attempts.AssociateNode).toBeGreaterThan(1);
  });

  it('sweeps in the end, enrols what no event told of, and keeps the report in its three forms', async () => {
    const out = join(folder, 'sweep');
    const { exitCode, stdout, stderr } = await start(...FAST, '--sweep', '--out', out);
    expect({ exitCode, stderr }).toStrictEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toContain('The sweep found 3 not as they should be.');
    expect(stdout).toMatch(/^ {2}blog-3 {2}drifting, enrol-node started\. It is not in the ledger/m);
    const report = SweepReport.parse(JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')));
    for (const form of ['json', 'csv', 'html']) {
      expect(stdout).toContain(`\n  ${join(out, `report.${form}`)}\n`);
      const text = readFileSync(join(out, `report.${form}`), 'utf8');
      for (const { instance } of report.rows) expect(text).toContain(instance);
    }
    expect(stdout).toMatch(/^6 enrolled, 1 retired, 1 ignored in /m);
  });

  it('starts nothing in a dry run, and says on standard error what it would', async () => {
    const out = join(folder, 'dry-run');
    const { exitCode, stdout, stderr } = await start(...FAST, '--json', '--dry-run', '--out', out);
    expect(exitCode).toBe(0);
    expect(stdout).not.toContain('blog-3');
    expect(stderr).toMatch(/^ {2}blog-3 {2}drifting, enrol-node would start\./m);
  });

  it('ends with 1 when what should be enrolled is not', async () => {
    const { exitCode, stdout } = await start(
      ...FAST,
      '--json',
      '--event',
      'events/samples/refused/typed-misspelt-field.json',
    );
    expect(exitCode).toBe(1);
    expect(Enrolment.parse(JSON.parse(stdout))).toMatchObject({ outcome: 'failed' });
  });

  it('ends with 1 when an event is lost, and says why', async () => {
    const file = 'events/samples/refused/ec2-launch-lifecycle-action-short-token.json';
    const { exitCode, stdout, stderr } = await start(...FAST, '--json', '--event', file);
    expect({ exitCode, stdout }).toStrictEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toMatch(/^The event .* is lost\. InvalidRequest: .*\n$/);
  });

  it.each([
    [2, ['--speed', 'fast'], /above 0/],
    [2, ['--event', 'none.json'], /^none\.json cannot be read: there is no such file\.\n$/],
    [2, ['--logs', '/none/functions.log'], /log file cannot be written/],
  ])('ends with %d and one sentence for %j', async (exitCode, options, sentence) => {
    const run = await start('--port', '0', ...options);
    expect(run).toMatchObject({ exitCode, stdout: '', stderr: expect.stringMatching(sentence) });
    expect(run.stderr.trimEnd().split('\n')).toHaveLength(1);
  });

  it('ends with 1 and one sentence when the port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const run = await start('--port', `${port}`);
    other.close();
    const sentence = `Port ${port} on 127.0.0.1 is in use. Stop what uses it, or choose another port with --port.\n`;
    expect(run).toStrictEqual({ exitCode: 1, stdout: '', stderr: sentence });
  });

  it('serves until it is told to go, and then goes at once', async () => {
    const child = spawn(process.execPath, ['local/main.ts', ...FAST, '--serve'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines: string[] = [];
    for await (const line of createInterface(child.stdout)) {
      lines.push(line);
      const [, endpoint] = /serves at (\S+) until/.exec(line) ?? [];
      if (endpoint) await createInstance(endpoint);
      if (/blog-1 +enrolled in/.test(line)) child.kill('SIGTERM');
    }
    if (child.exitCode === null) await once(child, 'exit');
    expect(child.exitCode).toBe(0);
    expect(lines.at(-1)).toMatch(/^1 enrolled in /);
  });
});

/** Has a Lightsail instance made in the world that serves there. */
async function createInstance(endpoint: string): Promise<void> {
  const body = JSON.stringify({ instanceNames: ['blog-1'] });
  const { status } = await fetch(`${endpoint}/_local/lightsail`, { method: 'POST', body });
  expect(status).toBe(200);
}
