"use strict";
// Every word of the page, in each language; a class keeps the name that the recipe gives it.
const WORDS = {
  en: {
    other: "中文", skip: "Skip to the text", key: "API key", try: "Try the model", content: "Text",
    hint: "Ctrl + Enter sends it.", send: "Classify", sending: "Working …", answer: "Answer:",
    why: "Why", legend: "Underlined parts speak for this class, dashed ones against it. Method:",
    right: "What is right?", thanks: "Thank you: kept for the next training.",
    recent: "Recent answers", time: "Time", "content-short": "Text", class: "Class", confidence: "Confidence",
    version: "Version", history: "Versions", interface: "Interface (OpenAPI)", metrics: "Metrics",
    trial: "Challenger against champion", serving: "version {0} in service", folder: "a model folder, no version",
    "not-kept": "(not kept)", corrected: "corrected: {0}", none: "none yet", "no-history": "nothing in the ledger yet",
    mode: "Mode", pair: "Versions", pairs: "Judged pairs", advantage: "Advantage in accuracy", decision: "Decision",
    against: "{1} against {0}", unreachable: "The server does not answer.", busy: "Busy; try again in {0} s.",
    promotion: "promoted", verdict: "judged", rollback: "rolled back to", deletion: "record deleted from", canary: "trial ended",
  },
  zh: {
    other: "English", skip: "跳到文本", key: "API 密钥", try: "试用模型", content: "文本",
    hint: "按 Ctrl + Enter 发送。", send: "分类", sending: "处理中……", answer: "结果：",
    why: "依据", legend: "实线下划线的部分支持该类别，虚线的部分反对。方法：",
    right: "正确答案是什么？", thanks: "谢谢：已留作下次训练之用。",
    recent: "最近的结果", time: "时间", "content-short": "文本", class: "类别", confidence: "置信度",
    version: "版本", history: "版本历史", interface: "接口（OpenAPI）", metrics: "指标",
    trial: "挑战者对冠军", serving: "正在使用版本 {0}", folder: "模型文件夹，无版本",
    "not-kept": "（未保存）", corrected: "更正为：{0}", none: "暂无", "no-history": "账本中暂无记录",
    mode: "方式", pair: "版本", pairs: "已评判的配对", advantage: "准确率优势", decision: "结论",
    against: "{1} 对 {0}", unreachable: "服务器没有响应。", busy: "繁忙，请在 {0} 秒后重试。",
    promotion: "晋升", verdict: "评判", rollback: "回滚到", deletion: "删除记录", canary: "试用结束",
  },
};
