"""The main script of the explorer: Streamlit runs it for every visitor."""

from pathlib import Path

import streamlit as st

HERE = Path(__file__).resolve().parent

st.set_page_config(
    page_title="Grounding Workbench",
    page_icon=(HERE / "icon.svg").read_text("utf-8"),  # an icon by name would come from the net
    layout="wide",
)
st.html(HERE / "page.css")
pages = [
    st.Page("explore.py", title="Explore", icon=":material/video_library:", default=True),
    st.Page("ask.py", title="Ask", icon=":material/search:"),
    st.Page("compare.py", title="Compare", icon=":material/bar_chart:"),
]
st.navigation(pages, position="top").run()
