"""What an exam leaves behind: the stored events in; JSON, a page on paper, and FHIR out."""
