import { Readable } from 'node:stream';
import dynalite from 'dynalite';
import { type Answer, jsonAnswer } from '../wire/answer.ts';
import type { Call, Endpoint } from '../wire/endpoint.ts';
import { ServiceError } from '../wire/service.ts';

const NAMESPACE = 'com.amazonaws.dynamodb.v20120810';

/** DynamoDB, played by dynalite in memory. It never listens: the port hands it each request. */
export function dynamoDb(): Endpoint {
  const server = dynalite({ createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 });
  return {
    name: 'dynamodb',
    protocol: {
      throttling: { code: 'ThrottlingException', statusCode: 400 },
      read(_operation, body) {
        try {
          return JSON.parse(body || '{}');
        } catch (error) {
          const sentence = `The request's body is not JSON: ${(error as Error).message}.`;
          throw new ServiceError('SerializationException', sentence);
        }
      },
      refuse: ({ code, message, statusCode }, requestId) =>
        jsonAnswer('1.0', statusCode, requestId, { __type: `${NAMESPACE}#${code}`, message }),
    },
    perform: (call) => new Promise((resolve) => server.emit('request', requestOf(call), responseTo(resolve))),
  };
}

/** dynalite reads a request's method, URL, headers and body, and writes status, headers and one body: no more is played. */
function requestOf({ headers, body }: Call) {
  return Object.assign(Readable.from([Buffer.from(body)]), { method: 'POST', url: '/', headers });
}

function responseTo(resolve: (answer: Answer) => void) {
  const headers: Record<string, string> = {};
  return {
    statusCode: 200,
    setHeader(name: string, value: string | number) {
      headers[name.toLowerCase()] = String(value);
    },
    end(body = '') {
      resolve({ statusCode: this.statusCode, headers, body });
    },
  };
}
