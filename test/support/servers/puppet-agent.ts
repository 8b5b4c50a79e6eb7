import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { SimulatedNode } from '../../../world/machines/node.ts';
import { type Ran, run } from './run.ts';

/** The disk of a node whose image bears Puppet's agent. */
export interface PuppetAgent {
  /** Does what the document Muster-InstallCredentials does with a node's credentials, by its own script: first run included. */
  install(node: SimulatedNode): Promise<Ran>;
  /** `puppet agent --test`, once more: exit codes 0 and 2 are good. */
  run(): Promise<Ran>;
  /** What the agent wrote in its first run. */
  firstRunLog(): string;
  remove(): void;
}

export function puppetAgent(): PuppetAgent {
  const root = mkdtempSync(join(tmpdir(), 'muster-puppet-agent-'));
  const puppetDir = join(root, 'puppet');
  const log = join(root, 'first-run.log');
  mkdirSync(join(puppetDir, 'ssl/private_keys'), { recursive: true });
  const folders = ['vardir', 'rundir', 'logdir', 'publicdir'].map((name) => `${name} = ${join(root, name)}`);
  writeFileSync(join(puppetDir, 'puppet.conf'), `[main]\n${folders.join('\n')}\n[agent]\nusecacheonfailure = false\n`);

  return {
    async install(node) {
      const { nodeName = '', certificate = '', caCertificate = '' } = node.installed ?? {};
      const { Server = '', ServerPort = '', Environment = '', FirstRun = '' } = node.agent?.settings ?? {};
      const key = join(puppetDir, 'ssl/private_keys', `${nodeName}.pem`);
      writeFileSync(key, await node.privateKeyPem(), { mode: 0o600 });
      return runScript('documents/install-credentials.sh', {
        ...{ PUPPET_DIR: puppetDir, FIRST_RUN_LOG: log },
        ...{ NODE_NAME: nodeName, CERTIFICATE: certificate, CA_CERTIFICATE: caCertificate },
        ...{ SERVER: Server, SERVER_PORT: ServerPort, ENVIRONMENT: Environment, FIRST_RUN: FirstRun },
      });
    },
    run: () => run('puppet', 'agent', '--test', '--confdir', puppetDir),
    firstRunLog: () => readFileSync(log, 'utf8'),
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}

async function runScript(file: string, parameters: Record<string, string>): Promise<Ran> {
  const shell = spawn('sh', [file], { env: { ...process.env, ...parameters }, stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr, [exitCode]] = await Promise.all([text(shell.stdout), text(shell.stderr), once(shell, 'exit')]);
  return { exitCode, output: stdout + stderr };
}
