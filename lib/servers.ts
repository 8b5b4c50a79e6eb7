import * as z from 'zod';
import { NODE_VALUES } from './node-values.ts';

/** OpsWorks CM. The server's engine as DescribeServers names it; only Chef has organizations. */
const OpsWorksCmServer = z
  .strictObject({
    engine: z.literal('opsworks-cm'),
    serverName: z.stringFormat('1 to 40 letters, digits and hyphens, a letter first', /^[a-zA-Z][a-zA-Z0-9-]{0,39}$/),
    serverEngine: z.enum(['ChefAutomate', 'Puppet']).default('ChefAutomate'),
    chefOrganization: z.string().min(1).optional(),
  })
  .refine((server) => !(server.serverEngine === 'Puppet' && server.chefOrganization), {
    path: ['chefOrganization'],
    message: 'A Puppet server has no Chef organization: remove it, or set serverEngine to ChefAutomate.',
  });
export type OpsWorksCmServer = z.infer<typeof OpsWorksCmServer>;

const isHttpsUrl = (text: string) => /^https:\/\/\S+$/.test(text) && URL.canParse(text);
const HttpsUrl = z.stringFormat('an https:// URL', isHttpsUrl);

/** Its host goes to the node. */
const PuppetUrl = HttpsUrl.refine(
  (text) => !isHttpsUrl(text) || NODE_VALUES.Server.test(new URL(text).hostname),
  'The node’s agent takes no such host: write a name or an IPv4 address.',
);

/** It goes to the node as a whole, with an organization behind it where that is a field of its own. */
const ChefUrl = HttpsUrl.refine(
  (text) => !isHttpsUrl(text) || /^https:\/\/[A-Za-z0-9_.:-]{1,255}(\/[A-Za-z0-9_.:/-]{0,400})?$/.test(text),
  'The node’s client takes no such URL: write it with letters, digits and _ . : - / alone, with a path of 400 characters at most.',
);

/** The name of a secret in Secrets Manager. Source: Secrets Manager CreateSecret, Name. */
const SecretName = z.stringFormat('the name of a secret in Secrets Manager', /^[A-Za-z0-9/_+=.@-]{1,512}$/);

/** What the installed agent is to do before the instance serves: `start` a first run, `wait` for it to succeed. */
const FirstRun = z.enum(['wait', 'start', 'none']).default('none');

/** Whether the agent's service is enabled and started on the node (the default), or left as its image has it. */
const Service = z.enum(['enable', 'leave']).optional();

/** A name that goes into an agent's configuration file. */
const Word = z.stringFormat(
  '1 to 255 letters, digits and _ . : -',
  (text) => text !== '' && NODE_VALUES.Environment.test(text),
);

const RunListItem = z.stringFormat(
  'recipe[NAME], role[NAME], or the name of a recipe',
  /^([A-Za-z0-9_.:-]{1,255}|(recipe|role)\[[A-Za-z0-9_.:@-]{1,255}\])$/,
);

/** A Puppet Server of one's own: its CA API, version 1. */
const PuppetServer = z.strictObject({
  engine: z.literal('puppet'),
  url: PuppetUrl,
  /** The CA certificate of the server, PEM. */
  caSecret: SecretName,
  /** JSON {"certificate","privateKey"}, PEM: the client certificate that signs. */
  keySecret: SecretName,
  /** The same, of the client certificate that revokes and deletes. */
  retireKeySecret: SecretName,
  /** The agent's environment. */
  environment: Word.optional(),
  firstRun: FirstRun,
  service: Service,
});
export type PuppetServer = z.infer<typeof PuppetServer>;

/** A Chef Infra Server of one's own. */
const ChefInfraServer = z
  .strictObject({
    engine: z.literal('chef-infra'),
    /** With /organizations/ORG, or without for a server that has none. */
    url: ChefUrl,
    organization: Word.optional(),
    /** The certificates that the server's own is checked against, PEM; left out, the public ones. */
    caSecret: SecretName.optional(),
    /** The validator's private key, PEM. */
    keySecret: SecretName,
    /** The validator's name; left out, it is the organization's: ORG-validator. */
    clientName: Word.optional(),
    /** The private key of a client or user that may delete clients and nodes, PEM, and its name. */
    retireKeySecret: SecretName,
    retireClientName: Word,
    /** What the first run converges: a run list, or a policy. */
    runList: z
      .array(RunListItem)
      .min(1)
      .refine(
        (items) => NODE_VALUES.RunList.test(items.join(',')),
        'A run list of more than 4000 characters reaches no node: write a role for it.',
      )
      .optional(),
    policyName: Word.optional(),
    policyGroup: Word.optional(),
    environment: Word.optional(),
    firstRun: FirstRun,
    service: Service,
  })
  .refine((server) => server.clientName || server.organization || /\/organizations\/[^/]+\/?$/.test(server.url), {
    path: ['clientName'],
    message: "Say the validator's clientName, or the organization whose validator it is.",
  })
  .refine((server) => Boolean(server.policyName) === Boolean(server.policyGroup), {
    path: ['policyName'],
    message: 'A policy is policyName and policyGroup together: name both, or neither.',
  })
  .refine((server) => !(server.policyName && (server.runList || server.environment)), {
    path: ['policyName'],
    message: 'A policy brings its own run list and takes the place of the environment: keep one of them.',
  });
export type ChefInfraServer = z.infer<typeof ChefInfraServer>;

/**
 * The configuration server that a profile names. This list is the one place where an engine is declared: the tables of
 * engines.ts, services/config-servers/index.ts and local/doubles.ts do not compile without an entry for each.
 */
export const Associate = z.discriminatedUnion('engine', [OpsWorksCmServer, PuppetServer, ChefInfraServer]);
export type Associate = z.infer<typeof Associate>;

export type Engine = Associate['engine'];
export type ServerOf<E extends Engine> = Extract<Associate, { engine: E }>;
