"""What to make (JobSpec) and the one function that makes it (pipeline): the only place that joins the stages."""
