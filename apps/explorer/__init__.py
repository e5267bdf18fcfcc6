"""The explorer: predicted moments against the truth, on screen (Streamlit)."""
