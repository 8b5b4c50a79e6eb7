import * as z from 'zod';
import { traitsOf } from '../../lib/engines.ts';
import { IdentityOutdated, IdentityPending, IdentityRejected } from '../../lib/errors.ts';
import type { Instance } from '../../lib/instance.ts';
import type { Enrolment, Identity } from '../../lib/state.ts';
import { checkRequest, type RequestPolicy } from './csr.ts';
import { type DocumentTrust, requireOwnDocument } from './document.ts';
import { rejecting } from './refusal.ts';

/** A CSR with an RSA-8192 key is under 5 kB in PEM; the rest of the answer is under 6 kB. Run Command cuts it at 24,000. */
const LARGEST_ANSWER_CHARACTERS = 16_384;

/** What the document Muster-CollectIdentity prints on the node. */
const Answer = z.object({
  csr: z.string(),
  identityDocument: z.string(),
  identitySignature: z.string(),
  /** A script that was sent before a deployment prints none. */
  identityRsa2048: z.string().optional(),
});

/**
 * Reads and checks what a node says of itself; it is untrusted input. The CSR proves that the node has the key, the
 * document that it is the machine the control plane knows. A Lightsail machine's document names an account of AWS's own,
 * so there the request and the managed node's registration at Systems Manager have to do.
 * @param output what its command printed
 * @throws IdentityRejected with the rule that is broken; IdentityPending or IdentityOutdated where the node has to be asked
 * again
 */
export function readIdentity(output: string, instance: Instance, policy: RequestPolicy & DocumentTrust): Identity {
  return rejectingTheUnexpected(instance, () => {
    const answer = parseAnswer(output, instance);
    const { csr, identityDocument: document, identitySignature: signature, identityRsa2048: rsa2048 } = answer;
    // The age comes last: a document that is another's, or a CSR that is refused, is not asked for again.
    const checked = checkRequest(csr, instance, policy);
    if (instance.platform === 'ec2') requireOwnDocument({ document, signature, rsa2048 }, instance, policy);
    return { ...checked, document, signature };
  });
}

/**
 * Checks a CSR that came with the request; the principal that started the enrolment vouches for its origin.
 * @throws IdentityRejected with the rule that is broken.
 */
export function readRequestedIdentity(csr: string, instance: Instance, policy: RequestPolicy): Identity {
  return rejectingTheUnexpected(instance, () => {
    return { ...checkRequest(csr, instance, policy), document: '', signature: '' };
  });
}

/** What a node shows must not break the check: an error that no rule foresees is a rejection too. */
function rejectingTheUnexpected<Checked>({ instanceId }: Instance, check: () => Checked): Checked {
  try {
    return check();
  } catch (cause) {
    const isForeseen = [IdentityRejected, IdentityPending, IdentityOutdated].some((Known) => cause instanceof Known);
    if (isForeseen) throw cause;
    const name = cause instanceof Error ? cause.name : typeof cause;
    throw rejecting(instanceId)('unexpected', `the check of what it showed broke off with ${name}`, cause);
  }
}

/** Whether one of the enrolment's servers refuses elliptic curves. OpsWorks Stacks does. */
export function takesOnlyRsa({ associate, register }: Pick<Enrolment, 'associate' | 'register'>): boolean {
  return register !== null || associate === null || (traitsOf(associate).nodeKey?.isRsaOnly ?? true);
}

function parseAnswer(output: string, { instanceId }: Instance): z.infer<typeof Answer> {
  if (output.length > LARGEST_ANSWER_CHARACTERS)
    throw rejecting(instanceId)('answer', `its answer is longer than ${LARGEST_ANSWER_CHARACTERS} characters`);
  try {
    return Answer.parse(JSON.parse(output));
  } catch (cause) {
    throw rejecting(instanceId)(
      'answer',
      'its answer is not JSON with csr, identityDocument, identitySignature and identityRsa2048',
      cause,
    );
  }
}
