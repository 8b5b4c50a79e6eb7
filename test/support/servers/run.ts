import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { promisify } from 'node:util';

/** What a program wrote, and how it ended. */
export interface Ran {
  readonly exitCode: number;
  readonly output: string;
}

const execute = promisify(execFile);

/** Runs a program to its end; a failure is an answer too. Standard output and standard error, one after the other. */
export async function run(program: string, ...args: string[]): Promise<Ran> {
  try {
    const { stdout, stderr } = await execute(program, args, { maxBuffer: 16 * 1024 * 1024 });
    return { exitCode: 0, output: stdout + stderr };
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code?: unknown; stdout?: string; stderr?: string };
    if (typeof code !== 'number') throw error;
    return { exitCode: code, output: stdout + stderr };
  }
}

/** Runs a program that must succeed. */
export async function mustRun(program: string, ...args: string[]): Promise<string> {
  const { exitCode, output } = await run(program, ...args);
  if (exitCode === 0) return output;
  throw new Error(`${program} ${args.join(' ')} ended with exit code ${exitCode}:\n${output}`);
}

/** A loopback port that nobody listened on a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('The system gave no port.');
  return address.port;
}
