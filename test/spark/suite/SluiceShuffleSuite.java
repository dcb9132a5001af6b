package org.apache.spark;

/** Spark's ShuffleSuite with Sluice as its shuffle manager; executors of local-cluster get the class path of this process. */
public final class SluiceShuffleSuite extends ShuffleSuite {
  public SluiceShuffleSuite() {
    conf().set("spark.shuffle.manager", "org.apache.spark.shuffle.sluice.SluiceShuffleManager");
    conf().set("spark.sluice.manager.url", System.getProperty("sluice.url"));
    conf().set("spark.sluice.token.file", System.getProperty("sluice.token.file"));
    conf().set("spark.executor.extraClassPath", System.getProperty("sluice.class.path"));
    conf().set("spark.executor.extraJavaOptions", System.getProperty("sluice.java.options"));
    conf().set("spark.driver.host", "127.0.0.1");
    conf().set("spark.ui.enabled", "false");
  }
}
