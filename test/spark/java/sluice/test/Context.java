package sluice.test;

import java.util.Map;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;

/** What a job is given: the session, its arguments, and a place for facts beside its answer (plans, counts). */
record Context(SparkSession spark, Map<String, String> with, Map<String, Object> facts) {
  JavaSparkContext sc() {
    return JavaSparkContext.fromSparkContext(spark.sparkContext());
  }

  int number(String name, int otherwise) {
    return Integer.parseInt(with.getOrDefault(name, String.valueOf(otherwise)));
  }

  String text(String name, String otherwise) {
    return with.getOrDefault(name, otherwise);
  }
}
