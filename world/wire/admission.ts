import type { IncomingMessage } from 'node:http';

/**
 * Why a request is refused before anything reads it, or undefined.
 *
 * The port listens on loopback, which any web page in a browser on this machine can address: directly, with its own
 * Origin, or after it has pointed a name of its own at 127.0.0.1 (DNS rebinding), with that name as Host.
 */
export function refusalOf({ headers, url = '', socket }: IncomingMessage): Refusal | undefined {
  const own = ownHosts(socket.localPort ?? 0);
  if (!own.includes(headers.host?.toLowerCase() ?? ''))
    return {
      statusCode: 403,
      sentence: `The Host header is ${quoted(headers.host)}, which is not this port's name. Use ${own.join(' or ')}.`,
    };
  if (headers.origin !== undefined && !own.some((host) => headers.origin === `http://${host}`))
    return {
      statusCode: 403,
      sentence: `A page of ${quoted(headers.origin)} may not call the local world. Call it from a page of its own, or from no page.`,
    };
  if (!isWellFormed(url))
    return {
      statusCode: 400,
      sentence: `The request's target ${quoted(url)} is malformed. It must be a path that begins with one slash, with valid percent-encoding.`,
    };
  return undefined;
}

interface Refusal {
  readonly statusCode: 400 | 403;
  readonly sentence: string;
}

/** The values of Host that name this port. A client leaves out HTTP's default port. */
function ownHosts(port: number): string[] {
  return ['127.0.0.1', 'localhost', '[::1]'].map((name) => (port === 80 ? name : `${name}:${port}`));
}

/** A path with or without a query: not the absolute form that proxies take, and nothing that a URL parser reads as a host. */
function isWellFormed(target: string): boolean {
  if (!/^\/(?![/\\])/.test(target)) return false;
  try {
    decodeURIComponent(target.split('?')[0] ?? '');
    return URL.canParse(target, 'http://127.0.0.1');
  } catch {
    return false;
  }
}

function quoted(text: string | undefined): string {
  return text === undefined ? 'missing' : JSON.stringify(text.slice(0, 200));
}
