import { EnrolmentRequest } from '../events/request.ts';
import { InvalidRequest } from '../lib/errors.ts';
import { Instance } from '../lib/instance.ts';
import { Enrolment, type Identity } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { readRequestedIdentity, takesOnlyRsa } from '../services/identity/index.ts';
import { countingRejections } from '../services/identity/refusal.ts';
import { claimOf } from '../services/ledger.ts';
import { bindNodeKey } from '../services/node-keys.ts';

/** Takes the CSR that the request brought, checks it, and binds its key to the instance: the first key wins. */
export const handler = task(
  { request: EnrolmentRequest, instance: Instance, enrolment: Enrolment },
  async ({ request: { identity: shown }, instance, enrolment }, call): Promise<Identity> => {
    if (!shown) throw new InvalidRequest('The request brings no identity: add identity.csr.');
    return countingRejections(async () => {
      const identity = readRequestedIdentity(shown.csr, instance, { onlyRsa: takesOnlyRsa(enrolment) });
      await bindNodeKey(claimOf(enrolment), identity.publicKeyFingerprint, call.signal);
      return identity;
    });
  },
);
