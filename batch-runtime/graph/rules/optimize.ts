/** All rules, in order: what is unused and what is constant first, what moves rows next, columns last, since the rules before them decide what is read. */
import type { Plan } from '../plan.ts';
import { countDistinct } from './count-distinct.ts';
import { dropUnused } from './drop-unused.ts';
import { filterByKeys, type KeyFilterOptions } from './filter-by-keys.ts';
import { foldConstants } from './fold-constants.ts';
import { orderJoins } from './order-joins.ts';
import { pruneColumns } from './prune-columns.ts';
import { pushFilters } from './push-filter.ts';
import { shareEqual } from './share-equal.ts';
import { topGroups } from './top-groups.ts';
import { topN } from './top-n.ts';

export const optimize = (plan: Plan): Plan => pruneColumns(countDistinct(topN(topGroups(shareEqual(pushFilters(foldConstants(dropUnused(plan))))))));

/** What can only be decided once sources have said how large they are. */
export const optimizeBySize = (plan: Plan, options: KeyFilterOptions): Plan =>
  pruneColumns(dropUnused(filterByKeys(dropUnused(orderJoins(plan, options.sizesOf(plan))), options)));
