/**
 * What Muster's Systems Manager documents do on a node, for the simulated machine: the same parameters and the same
 * output as the scripts that run on a real one. The double of Systems Manager gets them under their deployed names.
 */
import type { SimulatedNode } from './node.ts';

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
  parameters: ['NodeName'],
  async run(node, { NodeName = '' }) {
    const csr = await node.csr(NodeName);
    const { document, signature } = await node.identity();
    return printed({ csr, identityDocument: document, identitySignature: signature });
  },
};

/** Checks the certificate (PEM) against the node's key and the CA (PEM), installs both; prints `{"installed":true}`. */
export const installCredentials: CommandDocument = {
  parameters: ['NodeName', 'Certificate', 'CaCertificate'],
  async run(node, { NodeName = '', Certificate = '', CaCertificate = '' }) {
    await node.install({
      nodeName: NodeName,
      certificate: Certificate,
      caCertificate: CaCertificate,
    });
    return printed({ installed: true });
  },
};

function printed(output: object): CommandResult {
  return { stdout: `${JSON.stringify(output)}\n`, stderr: '', exitCode: 0 };
}
