/** All rules, in order: what is unused and what is constant first, what moves rows next, columns last, since the rules before them decide what is read. */
import type { Plan } from '../plan.ts';
import { countDistinct } from './count-distinct.ts';
import { dropUnused } from './drop-unused.ts';
import { foldConstants } from './fold-constants.ts';
import { pruneColumns } from './prune-columns.ts';
import { pushFilters } from './push-filter.ts';
import { topGroups } from './top-groups.ts';
import { topN } from './top-n.ts';

export const optimize = (plan: Plan): Plan => pruneColumns(countDistinct(topN(topGroups(pushFilters(foldConstants(dropUnused(plan)))))));
