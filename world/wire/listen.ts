import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../kernel/clock.ts';
import { Hold } from '../kernel/hold.ts';
import { refusalOf } from './admission.ts';
import type { Apis } from './apis.ts';

/** Answers `/_local/*`: `path` begins with `/_local/`, `body` is the parsed JSON, undefined when there is none. */
export type Control = (
  method: string,
  path: string,
  body: unknown,
) => { status: number; body: unknown } | Promise<{ status: number; body: unknown }>;

/** What one world puts behind the port. */
interface GatewayWorld {
  readonly clock: Clock;
  readonly apis: Apis;
  readonly control?: Control;
}

/** The loopback port. It outlives worlds: another one can be put behind it at any time. */
export interface Gateway {
  /**
   * @param port 0 chooses a free one
   * @returns the port in use
   * @throws Error with a sentence when the port cannot be had
   */
  listen(port: number): Promise<number>;
  /** Stops listening and cuts every connection. */
  close(): Promise<void>;
  world: GatewayWorld | undefined;
}

const HOST = '127.0.0.1';
const BODY_LIMIT_BYTES = 1024 * 1024;
/** What is stored may be large. */
const REST_BODY_LIMIT_BYTES = 64 * 1024 * 1024;

export function createGateway(): Gateway {
  // SDK clients keep connections and would meet one that closes in the moment of a request: idle ones stay open.
  const server = createServer(
    { keepAliveTimeout: 0 },
    (request, response) => void serve(gateway.world, request, response),
  );
  const gateway: Gateway = {
    world: undefined,
    listen: (port) => listen(server, port),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return gateway;
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(new Error(portSentence(error, port), { cause: error })),
    );
    server.listen(port, HOST, () => resolve((server.address() as AddressInfo).port));
  });
}

function portSentence(error: NodeJS.ErrnoException, port: number): string {
  if (error.code === 'EADDRINUSE') {
    return `Port ${port} on ${HOST} is in use. Stop what uses it, or choose another port with --port.`;
  }
  if (error.code === 'EACCES') return `Port ${port} on ${HOST} is reserved. Choose one above 1023 with --port.`;
  return `Port ${port} on ${HOST} cannot be used: ${error.message}. Choose another port with --port.`;
}

async function serve(world: GatewayWorld | undefined, request: IncomingMessage, response: ServerResponse) {
  const refusal = refusalOf(request);
  if (refusal) return refuse(request, response, refusal.statusCode, refusal.sentence);
  if (!world) return sendText(response, 503, 'No world stands behind this port yet.');
  // Time stands still while a request is handled, for a client outside of the process has no hold of its own.
  const hold = new Hold(world.clock);
  response.once('close', () => hold.end());
  try {
    const isRest = world.apis.restFor(request) !== undefined;
    const limit = isRest ? REST_BODY_LIMIT_BYTES : BODY_LIMIT_BYTES;
    const body = await readBody(request, limit);
    if (body === undefined) return sendText(response, 413, `A request is at most ${limit} bytes.`);
    const { pathname } = new URL(request.url ?? '/', `http://${HOST}`);
    if (pathname.startsWith('/_local/')) return await answerControl(world, request, pathname, body, response);
    if (isRest || (request.method === 'POST' && pathname === '/'))
      return await answerApi(world.apis, request, body, hold, response);
    sendText(response, 404, WELCOME);
  } catch (error) {
    // The client went away while it sent, or the control handler failed: either way this is the only place to report it.
    if (!response.headersSent) sendText(response, 500, error instanceof Error ? error.message : String(error));
  }
}

/** Closes the connection, because the body of a refused request is not read. */
function refuse(request: IncomingMessage, response: ServerResponse, statusCode: number, sentence: string): void {
  response.setHeader('connection', 'close');
  sendText(response, statusCode, sentence);
  request.resume();
}

const WELCOME =
  'This is the local world of Muster. It speaks the AWS APIs at POST / (aws --endpoint-url with this address), ' +
  'and GET /_local/world shows what it holds.';

/** The body, or undefined when it is too long. By events: an iterator takes several turns for each of thousands of bodies. */
function readBody(request: IncomingMessage, limit: number): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      // The rest is read and forgotten: who is cut off while sending does not read the refusal.
      if (bytes <= limit) chunks.push(chunk);
    });
    request.once('end', () => resolve(bytes > limit ? undefined : Buffer.concat(chunks).toString()));
    request.once('error', reject);
  });
}

async function answerApi(apis: Apis, request: IncomingMessage, body: string, hold: Hold, response: ServerResponse) {
  const { method = '', url = '', headers } = request;
  const answer = await apis.handle({ method, url, headers, body, hold });
  if (!answer) return void response.destroy();
  response.writeHead(answer.statusCode, answer.headers).end(answer.body);
}

async function answerControl(
  world: GatewayWorld,
  request: IncomingMessage,
  path: string,
  text: string,
  response: ServerResponse,
) {
  let body: unknown;
  try {
    body = text.trim() === '' ? undefined : JSON.parse(text);
  } catch (error) {
    return sendJson(response, 400, { message: `The body is not JSON: ${(error as Error).message}.` });
  }
  const answer = await world.control?.(request.method ?? 'GET', path, body);
  if (!answer) return sendText(response, 404, WELCOME);
  sendJson(response, answer.status, answer.body);
}

function sendText(response: ServerResponse, statusCode: number, sentence: string): void {
  response.writeHead(statusCode, { 'content-type': 'text/plain; charset=utf-8' }).end(`${sentence}\n`);
}

function sendJson(response: ServerResponse, statusCode: number, body: unknown): void {
  response.writeHead(statusCode, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
}
