import { puppetServer } from '../../services/config-servers/puppet/server.ts';

interface Credentials {
  readonly certificate: string;
  readonly privateKey: string;
}

/** A CA, and who asks it for what. */
export interface Reached {
  readonly url: string;
  readonly caCertificate: string;
  readonly enrol: Credentials;
  readonly retire: Credentials;
  readonly timeoutMilliseconds?: number;
}

/** The engine `puppet` for a CA that a test has at hand. */
export function connectPuppet({ url, caCertificate, enrol, retire, timeoutMilliseconds = 5_000 }: Reached) {
  const secrets = new Map([
    ['ca', caCertificate],
    ['enrol', JSON.stringify(enrol)],
    ['retire', JSON.stringify(retire)],
  ]);
  return puppetServer(
    { engine: 'puppet', url, caSecret: 'ca', keySecret: 'enrol', retireKeySecret: 'retire', firstRun: 'none' },
    async (name) => secrets.get(name) ?? '',
    { timeoutMilliseconds },
  );
}
