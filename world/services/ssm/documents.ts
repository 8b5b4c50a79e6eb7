/**
 * What Muster's Systems Manager documents do on a node, for the simulated machine: the same parameters and the same
 * output as the scripts that run on a real one, except that its CSR also asks for Puppet's extensions (pp_instance_id …). The double of Systems Manager gets them under their deployed names.
 */
import type { ConfiguredAgent, SimulatedNode } from '../../machines/node.ts';

/** How a script ended, as its shell saw it. */
export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

export interface CommandDocument {
  /** The parameters that it declares, each with no default. */
  readonly parameters: readonly string[];
  /** What it does on the node; a rejection is a script that died: exit code 1, its message on stderr. */
  run(node: SimulatedNode, parameters: Record<string, string>): Promise<CommandResult>;
}

/** Makes the node's key if it has none; prints `{"csr","identityDocument","identitySignature"}`. */
export const collectIdentity: CommandDocument = {
  parameters: ['NodeName', 'Agent'],
  async run(node, { NodeName = '' }) {
    const csr = await node.csr(NodeName);
    const { document, signature } = await node.identity();
    return printed({ csr, identityDocument: document, identitySignature: signature });
  },
};

/**
 * Checks the certificate (PEM) against the node's key and the CA (PEM), installs both, and has the agent run its first
 * run where it is to; prints `{"installed":true}`.
 */
export const installCredentials: CommandDocument = {
  parameters: ['NodeName', 'Certificate', 'CaCertificate', 'Server', 'ServerPort', 'Environment', 'FirstRun'],
  async run(node, { NodeName = '', Certificate = '', CaCertificate = '', ...agent }) {
    await node.install({ nodeName: NodeName, certificate: Certificate, caCertificate: CaCertificate });
    return firstRun(node, { agent: 'puppet', nodeName: NodeName, settings: agent });
  },
};

/** Tells Chef's client its server and what to converge, and has it run; prints `{"installed":true}`. */
export const installChef: CommandDocument = {
  parameters: [
    'NodeName',
    'ServerUrl',
    'TrustedCertificates',
    'RunList',
    'PolicyName',
    'PolicyGroup',
    'Environment',
    'FirstRun',
  ],
  async run(node, { NodeName = '', ...client }) {
    return firstRun(node, { agent: 'chef', nodeName: NodeName, settings: client });
  },
};

/** Only a run that is waited for can fail the installation. */
async function firstRun(node: SimulatedNode, agent: ConfiguredAgent): Promise<CommandResult> {
  node.agent = agent;
  if (agent.settings.FirstRun === 'wait') await node.runAgent();
  if (agent.settings.FirstRun === 'start') await node.runAgent().catch(() => undefined);
  return printed({ installed: true });
}

function printed(output: object): CommandResult {
  return { stdout: `${JSON.stringify(output)}\n`, stderr: '', exitCode: 0 };
}
