import type { ProfileSummary, ReportRow, SweepReport } from './report.ts';

type Finding = ReportRow['finding'];

/** What can be said of an instance. */
export type Condition = Finding | 'under-way' | 'as-it-should-be';

/** How each is called and what it means, for a person; first what a person looks at first. */
export const CONDITIONS: Readonly<Record<Condition, { readonly label: string; readonly meaning: string }>> = {
  failed: {
    label: 'failed',
    meaning: 'Its enrolment failed, and nothing has changed since that would let it succeed.',
  },
  unknown: { label: 'unknown', meaning: 'What to do with it cannot be told: the reason says why.' },
  waiting: {
    label: 'waiting in a hook',
    meaning:
      'Its launch, its termination or the replacement of its root volume waits in a lifecycle hook, and no execution works on it.',
  },
  retained: {
    label: 'retained',
    meaning: 'Its group keeps it out of service and does not terminate it: it is billed.',
  },
  'still-on-imdsv1': {
    label: 'still on IMDSv1',
    meaning: 'IMDSv1 is open on it: it is still used, or its service refuses to close it.',
  },
  'on-former-server': {
    label: 'on a former server',
    meaning: 'Its profile names another configuration server than the one that has it.',
  },
  'imdsv1-open': { label: 'IMDSv1 open', meaning: 'IMDSv1 is open on it, and its profile does not close it.' },
  drifting: { label: 'drifting', meaning: 'It is not as its profile says: an enrolment is due.' },
  reverted: {
    label: 'reverted',
    meaning: 'Its metadata options were put back on request, and stay so until its profile changes.',
  },
  'after-canary': { label: 'after the canary', meaning: 'Its turn to be hardened has not come yet.' },
  exempt: { label: 'exempt', meaning: 'It is left out, with an owner, until a day.' },
  'under-way': { label: 'under way', meaning: 'It was being enrolled or retired while the sweep looked.' },
  'as-it-should-be': { label: 'as it should be', meaning: 'It is as its profile says.' },
  gone: { label: 'gone', meaning: 'The ledger knows it, and its service does not any more.' },
  'not-listed': {
    label: 'not listed',
    meaning: 'The ledger knows it and no profile lists it any more, but it is not known to be gone.',
  },
};

export const CONDITION_NAMES = Object.keys(CONDITIONS) as Condition[];

/** What was started of what a row's instance needs, in a word or two. */
export function actionWords({ action, starts }: Pick<ReportRow, 'action' | 'starts'>): string {
  if (action === 'started') return `${starts} started`;
  if (action === 'would-start') return `${starts} would start`;
  if (action === 'later') return `${starts ?? 'it'} later`;
  return 'nothing started';
}

/** The counts, with the heading of each. */
export const COUNTS: Readonly<Record<keyof ProfileSummary['counts'], string>> = {
  instances: 'instances',
  enrolled: 'enrolled',
  hardened: 'hardened',
  underWay: 'under way',
  imdsV1Open: 'IMDSv1 open',
  drifting: 'drifting',
  stillOnImdsV1: 'still on IMDSv1',
  exempt: 'exempt',
  failed: 'failed',
  gone: 'gone',
};
export const COUNT_NAMES = Object.keys(COUNTS) as (keyof ProfileSummary['counts'])[];

/** The first day on which an exemption of the profile's instances ends: `exempt until`. */
export function exemptUntil({ rows }: SweepReport, profile: string): string | null {
  const days = rows.flatMap((row) => (row.profile === profile && row.exemptUntil ? [row.exemptUntil] : []));
  return days.sort()[0] ?? null;
}

export const numberWords = (count: number) => count.toLocaleString('en');
