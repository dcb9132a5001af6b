/**
 * Says what is wrong with a Kubernetes object, offline: types, enumerations and required fields by validators that are made from
 * Kubernetes's own description of its API, and fields that do not exist there, which an API server would refuse or drop. The
 * validators let those pass; they are found by looking which fields a validator has never asked for.
 */

import { validate as StatefulSet } from 'kubernetes-models/_schemas/IoK8sApiAppsV1StatefulSet';
import { validate as ConfigMap } from 'kubernetes-models/_schemas/IoK8sApiCoreV1ConfigMap';
import { validate as Service } from 'kubernetes-models/_schemas/IoK8sApiCoreV1Service';
import { validate as NetworkPolicy } from 'kubernetes-models/_schemas/IoK8sApiNetworkingV1NetworkPolicy';
import { validate as PodDisruptionBudget } from 'kubernetes-models/_schemas/IoK8sApiPolicyV1PodDisruptionBudget';
import type { KubernetesObject } from './helm.ts';

interface Validator {
  (data: unknown): boolean;
  errors?: readonly { readonly instancePath: string; readonly message?: string; readonly keyword: string; readonly params: unknown }[] | null;
}

/** The operator's package shows classes only, which copy what they check. */
const operator =
  '../../node_modules/@kubernetes-models/prometheus-operator/_schemas/ComGithubPrometheusOperatorPrometheusOperatorPkgApisMonitoringV1';
const { validate: PodMonitor } = (await import(`${operator}PodMonitor.js`)) as { validate: unknown };
const { validate: PrometheusRule } = (await import(`${operator}PrometheusRule.js`)) as { validate: unknown };

/** What the chart may render. */
const validators: Readonly<Record<string, unknown>> = {
  'v1 ConfigMap': ConfigMap,
  'v1 Service': Service,
  'apps/v1 StatefulSet': StatefulSet,
  'policy/v1 PodDisruptionBudget': PodDisruptionBudget,
  'networking.k8s.io/v1 NetworkPolicy': NetworkPolicy,
  'monitoring.coreos.com/v1 PodMonitor': PodMonitor,
  'monitoring.coreos.com/v1 PrometheusRule': PrometheusRule,
};

/** Faults with their paths; empty: none. */
export function faultsOf(object: KubernetesObject): string[] {
  const validate = validators[`${object.apiVersion} ${object.kind}`] as Validator | undefined;
  if (validate === undefined) return [`there is no ${object.apiVersion} ${object.kind}`];
  const asked = new Set<string>();
  const wrong = validate(watched(object, '', asked)) ? [] : (validate.errors ?? []);
  const faults = wrong.map(({ instancePath, keyword, params }) => `${instancePath} ${keyword} ${JSON.stringify(params)}`);
  return [...faults, ...unasked(object, '', asked).map((path) => `${path} is no field`)];
}

/** The value, which notes the path of every field that is asked for. */
function watched(value: unknown, path: string, asked: Set<string>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return new Proxy(value, {
    get(target, key) {
      const inner: unknown = Reflect.get(target, key);
      if (typeof key !== 'string' || !Object.hasOwn(target, key)) return inner;
      asked.add(`${path}/${key}`);
      return watched(inner, `${path}/${key}`, asked);
    },
  });
}

function unasked(value: unknown, path: string, asked: ReadonlySet<string>): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    asked.has(`${path}/${key}`) ? unasked(inner, `${path}/${key}`, asked) : [`${path}/${key}`],
  );
}
