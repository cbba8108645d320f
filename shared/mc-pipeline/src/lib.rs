//! The use-cases over the ports: accept, deliver, tell, schedule.
