/**
 * Muster's Systems Manager documents on a simulated node: the same output as the scripts in documents/, except that the
 * CSR also asks for Puppet's extensions (pp_instance_id …).
 */
import type { ConfiguredAgent, SimulatedNode } from '../world/machines/node.ts';
import type { CommandResult, Script } from '../world/services/ssm/documents.ts';

/** Makes the node's key if it has none; prints `{"csr","identityDocument","identitySignature","identityRsa2048"}`. */
export const collectIdentity: Script = async (node, { NodeName = '' }) => {
  const csr = await node.csr(NodeName);
  const { document, signature, rsa2048 } = await node.identity();
  return printed({ csr, identityDocument: document, identitySignature: signature, identityRsa2048: rsa2048 });
};

/**
 * Checks the certificate (PEM) against the node's key and the CA (PEM), installs both, and has the agent run its first
 * run where it is to; prints `{"installed":true}`.
 */
export const installCredentials: Script = async (
  node,
  { NodeName = '', Certificate = '', CaCertificate = '', ...agent },
) => {
  await node.install({ nodeName: NodeName, certificate: Certificate, caCertificate: CaCertificate });
  return firstRun(node, { agent: 'puppet', nodeName: NodeName, settings: agent });
};

/** Tells Chef's client its server and what to converge, and has it run; prints `{"installed":true}`. */
export const installChef: Script = async (node, { NodeName = '', ...client }) => {
  return firstRun(node, { agent: 'chef', nodeName: NodeName, settings: client });
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
