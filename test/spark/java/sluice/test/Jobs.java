package sluice.test;

import java.util.Map;
import java.util.TreeMap;

/** All jobs by name. */
final class Jobs {
  private static final Map<String, Job> ALL = new TreeMap<>();

  static {
    ALL.putAll(RddJobs.all());
    ALL.putAll(SqlJobs.all());
    ALL.putAll(FaultJobs.all());
  }

  static Job named(String name) {
    Job job = ALL.get(name);
    if (job == null) throw new IllegalArgumentException("there is no job " + name + "; there are " + ALL.keySet());
    return job;
  }

  private Jobs() {}
}
