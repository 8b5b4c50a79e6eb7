import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import type { SimulatedNode } from '../../../world/machines/node.ts';
import type { CommandDocument, CommandResult } from '../../../world/services/ssm/documents.ts';

/** Nodes with disks of their own, on which the documents' real scripts work. */
export interface RealNodes {
  /** For the world: the scripts themselves, in the place of their simulation. */
  readonly documents: Readonly<Record<string, CommandDocument>>;
  /** A file on the node's disk, below its root. */
  read(instanceId: string, file: string): string;
  close(): void;
}

interface Content {
  readonly parameters: CommandDocument['parameters'];
  readonly mainSteps: readonly [{ readonly inputs: { readonly runCommand: readonly string[] } }];
}

/** The documents' scripts as they are deployed, each node with a folder of its own for its root. */
export function realNodes(): RealNodes {
  const root = mkdtempSync(join(tmpdir(), 'muster-real-nodes-'));
  const folderOf = (instanceId: string) => join(root, instanceId);
  const { Resources } = parse(readFileSync('resources/documents.yml', 'utf8'));
  const played = (name: string): CommandDocument => {
    const content: Content = Resources[name].Properties.Content;
    return {
      parameters: content.parameters,
      run: (node, parameters) => runScript(folderOf(node.instanceId), scriptOf(content, parameters), node),
    };
  };
  return {
    documents: {
      'Muster-CollectIdentity-dev': played('CollectIdentityDocument'),
      'Muster-InstallCredentials-dev': played('InstallCredentialsDocument'),
      'Muster-InstallChef-dev': played('InstallChefDocument'),
    },
    read: (instanceId, file) => readFileSync(join(folderOf(instanceId), file), 'utf8'),
    close: () => rmSync(root, { recursive: true, force: true }),
  };
}

/** As Systems Manager runs it: the parameters are written into its text. */
function scriptOf({ mainSteps: [{ inputs }] }: Content, parameters: Record<string, string>): string {
  return inputs.runCommand
    .map((line) => line.replace(/^\$\{file\((.+)\)\}$/, (_, file: string) => readFileSync(file, 'utf8')))
    .join('\n')
    .replace(/\{\{ (\w+) \}\}/g, (_, name: string) => parameters[name] ?? '');
}

async function runScript(folder: string, script: string, node: SimulatedNode): Promise<CommandResult> {
  mkdirSync(folder, { recursive: true });
  const metadata = await metadataService(node);
  const env = {
    PATH: process.env.PATH ?? '',
    IMDS: `http://127.0.0.1:${(metadata.address() as AddressInfo).port}`,
    PUPPET_DIR: join(folder, 'puppet'),
    CHEF_DIR: join(folder, 'chef'),
    FIRST_RUN_LOG: join(folder, 'first-run.log'),
  };
  try {
    return { ...(await promisify(execFile)('/bin/sh', ['-c', script], { env })), exitCode: 0 };
  } catch (error) {
    const { stdout = '', stderr = '', code } = error as { stdout?: string; stderr?: string; code?: number };
    return { stdout, stderr, exitCode: code ?? 1 };
  } finally {
    metadata.close();
  }
}

async function metadataService(node: SimulatedNode) {
  const { document, signature, rsa2048 } = await node.identity();
  const pages = new Map([
    ['/latest/api/token', 'the-token'],
    ['/latest/dynamic/instance-identity/document', document],
    ['/latest/dynamic/instance-identity/signature', signature],
    ['/latest/dynamic/instance-identity/rsa2048', rsa2048],
  ]);
  const server = createServer((request, response) => {
    const page = pages.get(request.url ?? '');
    response.writeHead(page === undefined ? 404 : 200).end(page);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}
