import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import { HOST } from './puppet-configuration.ts';
import type { RunningPuppetServer } from './puppet-server.ts';

/**
 * Hands a request in as anybody can who reaches the server: without a certificate.
 *
 * @returns the HTTP status and the CA's words
 */
export function handIn({ port, caCertificate }: RunningPuppetServer, name: string, csr: string): Promise<string> {
  const path = `/puppet-ca/v1/certificate_request/${name}`;
  const headers = { 'content-type': 'text/plain' };
  return new Promise((resolve, reject) => {
    request({ method: 'PUT', host: HOST, port, path, headers, ca: caCertificate, agent: false })
      .on('error', reject)
      .on('response', (response) =>
        text(response).then((body) => resolve(`${response.statusCode} ${body}`.trim()), reject),
      )
      .end(csr);
  });
}
